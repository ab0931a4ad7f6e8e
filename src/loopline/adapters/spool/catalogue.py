"""Which segments a log consists of: the manifest as this process last saw it."""

from bisect import bisect_right
from collections.abc import Callable

from loopline.errors import Conflict
from loopline.ports.manifest import Manifest
from loopline.records.ids import LoopName
from loopline.records.segment import Segment


class Segments:
    """The segments of a log at one moment, by position."""

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self.all = segments
        self.held = tuple(segment for segment in segments if segment.tier != "deleted")
        """Those whose rows can be read."""
        self.end = last(segments[-1]) if segments else 0
        self.max_id = max((segment.max_id for segment in self.held), default="")
        self._firsts = [segment.first for segment in segments]

    def at(self, position: int) -> Segment | None:
        """The segment that holds this position; None when it is not sealed."""
        place = bisect_right(self._firsts, position) - 1
        return self.all[place] if place >= 0 and position <= last(self.all[place]) else None

    def of(self, lane: str) -> tuple[Segment, ...]:
        """Those of one writer, in its order."""
        return tuple(segment for segment in self.all if segment.lane == lane)


def last(segment: Segment) -> int:
    """Its last position in the log.

    >>> from loopline.testing.factories import NOW
    >>> fields = {"digest": "", "loop": "", "lane": "", "size": 0, "counts": {}, "arms": {}, "tier": "hot"}
    >>> times = {"min_at_us": 0, "max_at_us": 0, "min_id": "", "max_id": "", "sealed_at": NOW}
    >>> last(Segment(first=11, lane_first=1, rows=5, **fields, **times))
    15
    """
    return segment.first + segment.rows - 1


def lane_last(segment: Segment) -> int:
    """Its last position in the spool that it was sealed from."""
    return segment.lane_first + segment.rows - 1


class Catalogue:
    """The manifest's segments of one loop, read again only when they may have changed.

    A lane that is alone says in its spool when they did; of several lanes none knows of the others, so each asks.
    """

    def __init__(self, manifest: Manifest | None, *, loop: LoopName, lane: str, is_alone: bool) -> None:
        self.loop, self.lane, self.is_alone = loop, lane, is_alone
        self._manifest = manifest
        self._seen = (-1, Segments(()))

    @property
    def latest(self) -> Segments:
        """The segments as they were last read, however long ago."""
        return self._seen[1]

    def seen(self, generation: int) -> Segments | None:
        """The segments as they were last read; None when some of this lane were sealed or packed since."""
        known, segments = self._seen
        return segments if self._manifest is None or known == generation else None

    def now(self, generation: Callable[[], int]) -> Segments:
        """The segments of this moment. Raises Conflict when a lane that is to be alone is not."""
        # The number is read before the manifest: what changes in between is read once more, never missed.
        current = generation()
        seen = self.seen(current)
        if self._manifest is None or (seen and self.is_alone):
            return self._seen[1]
        found = self._manifest.segments(self.loop)
        self._check(found)
        segments = Segments(found)
        self._seen = (current, segments)
        return segments

    def forget(self) -> None:
        """Read the manifest when it is asked for next."""
        self._seen = (-1, self._seen[1])

    def _check(self, segments: tuple[Segment, ...]) -> None:
        others = sorted({segment.lane for segment in segments} - {self.lane})
        if self.is_alone and others:
            remedy = "give every writer of this loop a lane of its own and open the log as one of several"
            found = f"segments of the lane{'s' if others[1:] else ''} {', '.join(others)} in the manifest"
            thing = f"prediction log of loop {self.loop!r}"
            raise Conflict(thing, found=found, expected=f"those of lane {self.lane} alone", remedy=remedy)
