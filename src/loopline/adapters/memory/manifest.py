"""The manifest in memory."""

from collections.abc import Iterable, Sequence
from threading import Lock

import msgspec

from loopline.errors import Conflict, InvalidRecord
from loopline.records.ids import LoopName
from loopline.records.segment import Pin, Segment

_Stretch = tuple[str, str, int, int, int]
"""Loop, lane, how far log positions are ahead of the lane's, first and last position."""


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
        if segment.rows < 1:
            thing = f"segment of lane {segment.lane!r}"
            raise InvalidRecord(thing, found=f"{segment.rows} rows", expected="at least 1")
        with self._lock:
            own = self._of(segment.loop)
            lane = [one for one in own if one.lane == segment.lane]
            for one in lane:
                if one.lane_first <= segment.lane_first < one.lane_first + one.rows:
                    return one
            end = lane[-1].lane_first + lane[-1].rows if lane else 1
            if end != segment.lane_first:
                found, expected = f"it begins at row {segment.lane_first}", f"row {end}, after what is held of the lane"
                raise Conflict(f"segment of lane {segment.lane!r}", found=found, expected=expected)
            placed = msgspec.structs.replace(segment, first=own[-1].first + own[-1].rows if own else 1)
            self._held[placed.loop, placed.first] = placed
        return placed

    def replace(self, old: Sequence[Segment], *, new: Sequence[Segment]) -> None:
        """Put ``new`` in the places of ``old``. Idempotent; raises Conflict as the port says."""
        with self._lock:
            if new and all(self._held.get((one.loop, one.first)) == one for one in new):
                return
            _check_same_places(old, new=new)
            for one in old:
                if self._held.get((one.loop, one.first)) != one:
                    found, remedy = "not held as given", "read the manifest again"
                    raise Conflict(f"segment {one.digest}", found=found, expected="one held", remedy=remedy)
            self._check_unpinned(old, new=new)
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

    def _check_unpinned(self, old: Iterable[Segment], *, new: Iterable[Segment]) -> None:
        """A row that is to be deleted and is not yet, under a claim, is a Conflict."""
        kept = [one for one in old if one.tier != "deleted"]
        for gone in (one for one in new if one.tier == "deleted"):
            for one, pin in ((one, pin) for one in kept for pin in self._pins_of(gone.loop)):
                first, last = max(one.first, gone.first), min(one.first + one.rows, gone.first + gone.rows) - 1
                if first <= last and first <= pin.until and last > pin.after:
                    found, remedy = f"pinned by {pin.holder}", "let it go first"
                    raise Conflict(f"segment {one.digest}", found=found, expected="no claim on it", remedy=remedy)


def _stretches(segments: Iterable[Segment]) -> list[_Stretch]:
    """The runs of rows that follow each other both in the log and in their lane."""
    runs: list[_Stretch] = []
    for one in sorted(segments, key=lambda one: (one.loop, one.first)):
        run = (one.loop, one.lane, one.first - one.lane_first)
        joined = runs and runs[-1][:3] == run and runs[-1][4] == one.first - 1
        first = runs.pop()[3] if joined else one.first
        runs.append((*run, first, one.first + one.rows - 1))
    return runs


def _check_same_places(old: Iterable[Segment], *, new: Iterable[Segment]) -> None:
    before, after = _stretches(old), _stretches(new)
    if before != after:
        raise Conflict("segments to replace", found=f"new ones at {_said(after)}", expected=_said(before))


def _said(stretches: Iterable[_Stretch]) -> str:
    """What a person reads of them.

    >>> _said([("sentiment", "main", 20, 21, 30)])
    'sentiment 21-30 (lane main 1-10)'
    """
    shown = (f"{loop} {a}-{b} (lane {lane} {a - ahead}-{b - ahead})" for loop, lane, ahead, a, b in stretches)
    return ", ".join(shown) or "nothing"
