"""Which sealed segments the log consists of, kept in the state database."""

from collections.abc import Sequence
from typing import Protocol

from loopline.records.ids import LoopName
from loopline.records.segment import Pin, Segment


class Manifest(Protocol):
    """The segments of each loop's log, and the claims on them. Every method is atomic."""

    def segments(self, loop: LoopName) -> tuple[Segment, ...]:
        """Every segment by first position, deleted ones included; none overlap, and there is no gap."""
        ...

    def add(self, segment: Segment) -> Segment:
        """The segment with its place: after the last one of the loop, whoever sealed that; ``first`` is ignored.

        Idempotent by (loop, lane, lane_first): one that is held is returned as it is. Raises Conflict when it does not
        follow the lane's last segment without a gap.
        """
        ...

    def replace(self, old: Sequence[Segment], *, new: Sequence[Segment]) -> None:
        """Put ``new`` in the places of ``old``: the same rows (or, deleted, their memory) in another form.

        Idempotent. Raises Conflict when ``old`` is no longer held, when the positions differ, or when a segment that
        would be deleted is pinned.
        """
        ...

    def pin(self, pin: Pin, *, loop: LoopName) -> None:
        """Hold a stretch; the same holder again replaces its claim, with ``until`` <= ``after`` it lets go."""
        ...

    def pins(self, loop: LoopName) -> tuple[Pin, ...]:
        """Every claim, by holder."""
        ...
