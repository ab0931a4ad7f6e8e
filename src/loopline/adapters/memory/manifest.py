"""The manifest in memory."""

from collections.abc import Sequence
from threading import Lock

import msgspec

from loopline.adapters.placing import check_follows, check_replacement, check_rows
from loopline.errors import InvalidRecord
from loopline.records.ids import LoopName
from loopline.records.segment import Pin, Segment


class MemoryManifest:
    """Keeps segments and pins in dictionaries."""

    def __init__(self) -> None:
        self._held: dict[tuple[LoopName, int], Segment] = {}
        self._pins: dict[tuple[LoopName, str], Pin] = {}
        self._lock = Lock()

    def segments(self, loop: LoopName) -> tuple[Segment, ...]:
        """Every segment by first position, deleted ones included; none overlap, and there is no gap."""
        with self._lock:
            return self._of(loop)

    def add(self, segment: Segment) -> Segment:
        """The segment with its place, after the last one of the loop; one whose first row is held comes as it is held.

        Raises Conflict when it does not follow its lane's last segment, InvalidRecord for one without rows.
        """
        check_rows(segment)
        with self._lock:
            own = self._of(segment.loop)
            lane = [one for one in own if one.lane == segment.lane]
            for one in lane:
                if one.lane_first <= segment.lane_first < one.lane_first + one.rows:
                    return one
            check_follows(segment, last=lane[-1] if lane else None)
            placed = msgspec.structs.replace(segment, first=own[-1].first + own[-1].rows if own else 1)
            self._held[placed.loop, placed.first] = placed
        return placed

    def replace(self, old: Sequence[Segment], *, new: Sequence[Segment]) -> None:
        """Put ``new`` in the places of ``old``. Idempotent; raises Conflict as the port says."""
        if not old and not new:
            return
        with self._lock:
            if new and all(self._held.get((one.loop, one.first)) == one for one in new):
                return
            loop = (*old, *new)[0].loop
            held = {one.first: one for one in self._of(loop)}
            check_replacement(old, new=new, held=held, pins=self._pins_of(loop))
            for one in old:
                del self._held[one.loop, one.first]
            self._held |= {(one.loop, one.first): one for one in new}

    def pin(self, pin: Pin, *, loop: LoopName) -> None:
        """Hold a stretch; the same holder again replaces its claim, with ``until`` <= ``after`` it lets go."""
        if not pin.holder:
            raise InvalidRecord("pin", found="no holder", expected="the entity that needs it")
        with self._lock:
            self._pins.pop((loop, pin.holder), None)
            if pin.until > pin.after:
                self._pins[loop, pin.holder] = pin

    def pins(self, loop: LoopName) -> tuple[Pin, ...]:
        """Every claim, by holder."""
        with self._lock:
            return self._pins_of(loop)

    def _of(self, loop: LoopName) -> tuple[Segment, ...]:
        return tuple(one for (own, _), one in sorted(self._held.items(), key=lambda held: held[0]) if own == loop)

    def _pins_of(self, loop: LoopName) -> tuple[Pin, ...]:
        return tuple(pin for (own, _), pin in sorted(self._pins.items(), key=lambda held: held[0]) if own == loop)
