"""Which sealed segments are due to be merged, archived or deleted. Pure: the manifest, the time and the rules in."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from loopline.adapters.spool.catalogue import last
from loopline.records.ids import Digest
from loopline.records.segment import Pin, Segment

SMALL_ROWS = 100_000
"""Segments with fewer rows are merged: each costs every reader an open file."""
RUN = 8
"""As many small neighbours are merged at once; fewer wait, so that a row is rewritten a few times in all."""
MOST_ROWS = 1_000_000
MOST_BYTES = 128 << 20
"""Of a merged segment: it is built in memory, and one that is damaged takes all of its rows along."""
PATIENCE = 1 / 7
"""Part of the hot time that the rows of a merged segment may span, and that aged segments wait for others to share an
archive file with: a day of a week. A segment is deleted whole, so by as much a row may be deleted late."""


class Step(NamedTuple):
    """What to do with some neighbouring segments of one lane."""

    act: Literal["delete", "archive", "merge"]
    segments: tuple[Segment, ...]


class Rules(NamedTuple):
    """When something happens to sealed rows, and which are left alone."""

    hot_seconds: float
    retain_seconds: float
    """0: never deleted."""
    lane: str
    """A writer merges and archives its own segments only; old ones it deletes of any lane, whose writer may be gone."""
    pins: tuple[Pin, ...]
    damaged: Collection[Digest]


def next_step(segments: Sequence[Segment], *, now: datetime, rules: Rules) -> Step | None:
    """The most pressing thing that is due; None when nothing is.

    Age is counted from the sealing, which never goes back: a clock that did, or rows that bring times of their own,
    have nothing deleted or archived early.
    """
    for each in segments:
        is_old = each.tier != "deleted" and 0 < rules.retain_seconds <= age(each, now=now)
        if is_old and not _is_pinned(each, rules.pins):
            return Step("delete", (each,))
    return _archive(segments, now=now, rules=rules) or _merge(segments, rules=rules)


def age(segment: Segment, *, now: datetime) -> float:
    """Seconds since it was sealed."""
    return (now - segment.sealed_at).total_seconds()


def _archive(segments: Sequence[Segment], *, now: datetime, rules: Rules) -> Step | None:
    """Neighbours that have aged, once they fill a file or the first has waited for long enough."""

    def is_aged(segment: Segment) -> bool:
        return segment.tier == "hot" and age(segment, now=now) >= rules.hot_seconds

    for run in _runs(segments, is_aged, rules=rules):
        fitting = _fitting(run, span=PATIENCE * rules.hot_seconds)
        waited = age(run[0], now=now) - rules.hot_seconds
        if len(fitting) < len(run) or waited >= PATIENCE * rules.hot_seconds:
            return Step("archive", fitting)
    return None


def _merge(segments: Sequence[Segment], *, rules: Rules) -> Step | None:
    """Small neighbours of one tier, once there are many of them or together they are not small."""

    def is_small(segment: Segment) -> bool:
        return segment.rows < SMALL_ROWS and segment.tier != "deleted"

    for run in _runs(segments, is_small, rules=rules):
        fitting = _fitting(run, span=PATIENCE * rules.hot_seconds)
        if len(fitting) >= RUN or (len(fitting) > 1 and sum(each.rows for each in fitting) >= SMALL_ROWS):
            return Step("merge", fitting)
    return None


def _runs(
    segments: Sequence[Segment], is_fit: Callable[[Segment], bool], *, rules: Rules
) -> Iterator[tuple[Segment, ...]]:
    """The stretches of neighbours of one tier that are fit, healthy and of the lane."""
    run: list[Segment] = []
    for segment in segments:
        is_wanted = segment.lane == rules.lane and segment.digest not in rules.damaged and is_fit(segment)
        if run and not (is_wanted and segment.tier == run[0].tier):
            yield tuple(run)
            run = []
        if is_wanted:
            run.append(segment)
    if run:
        yield tuple(run)


def _fitting(run: tuple[Segment, ...], *, span: float) -> tuple[Segment, ...]:
    """As many from the start as one file takes; at least one. ``span``: seconds between its first and last row."""
    for count in range(2, len(run) + 1):
        part = run[:count]
        seconds = (max(each.max_at_us for each in part) - min(each.min_at_us for each in part)) / 1e6
        is_large = sum(each.rows for each in part) > MOST_ROWS or sum(each.size for each in part) > MOST_BYTES
        if is_large or seconds > span:
            return run[: count - 1]
    return run


def _is_pinned(segment: Segment, pins: Sequence[Pin]) -> bool:
    return any(pin.after < last(segment) and segment.first <= pin.until for pin in pins)
