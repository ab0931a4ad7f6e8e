"""Where a segment may stand in the log, and what may stand in its place: one rule for every manifest."""

from collections.abc import Iterable, Mapping

from loopline.errors import Conflict, InvalidRecord
from loopline.records.segment import Pin, Segment

_Stretch = tuple[str, str, int, int, int]
"""Loop, lane, how far log positions are ahead of the lane's, first and last position."""


def check_rows(segment: Segment) -> None:
    """Raise InvalidRecord for a segment without rows: two would have one place."""
    if segment.rows < 1:
        thing = f"segment of lane {segment.lane!r}"
        raise InvalidRecord(thing, found=f"{segment.rows} rows", expected="at least 1")


def check_follows(segment: Segment, *, last: Segment | None) -> None:
    """Raise Conflict unless the segment begins where the last one held of its lane ends."""
    end = last.lane_first + last.rows if last else 1
    if segment.lane_first != end:
        found, expected = f"it begins at row {segment.lane_first}", f"row {end}, after what is held of the lane"
        raise Conflict(f"segment of lane {segment.lane!r}", found=found, expected=expected)


def check_replacement(
    old: Iterable[Segment], *, new: Iterable[Segment], held: Mapping[int, Segment], pins: Iterable[Pin]
) -> None:
    """Raise Conflict unless ``new`` may come for ``old``: the same places, of what is held, and nothing pinned goes.

    ``held``: the loop's segments by first position, at least those at the places of ``old``.
    """
    before, after = _stretches(old), _stretches(new)
    if before != after:
        raise Conflict("segments to replace", found=f"new ones at {_said(after)}", expected=_said(before))
    for one in old:
        if held.get(one.first) != one:
            remedy = "read the manifest again"
            raise Conflict(f"segment {one.digest}", found="not held as given", expected="one held", remedy=remedy)
    _check_unpinned(old, new=new, pins=pins)


def _check_unpinned(old: Iterable[Segment], *, new: Iterable[Segment], pins: Iterable[Pin]) -> None:
    """A row that is to be deleted and is not yet, under a claim, is a Conflict."""
    kept = [one for one in old if one.tier != "deleted"]
    for gone in (one for one in new if one.tier == "deleted"):
        for one, pin in ((one, pin) for one in kept for pin in pins):
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


def _said(stretches: Iterable[_Stretch]) -> str:
    """What a person reads of them.

    >>> _said([("sentiment", "main", 20, 21, 30)])
    'sentiment 21-30 (lane main 1-10)'
    """
    shown = (f"{loop} {a}-{b} (lane {lane} {a - ahead}-{b - ahead})" for loop, lane, ahead, a, b in stretches)
    return ", ".join(shown) or "nothing"
