"""When a traffic split is worth looking at again: at once when it is new, after a growing rest when it failed."""

from datetime import datetime, timedelta
from typing import NamedTuple

SHORTEST_REST, LONGEST_REST = 1.0, 60.0
"""Seconds."""


class Look(NamedTuple):
    """The last look at a split."""

    revision: int = -1
    rest: float = 0.0
    """Seconds until the next look at the same revision; 0: it would find the same."""
    again: datetime | None = None
    """When that rest is over; None: never."""


def is_due(last: Look, *, revision: int, now: datetime) -> bool:
    """Whether the newest split, of this revision, is to be looked at now.

    >>> is_due(Look(revision=3), revision=3, now=datetime(2026, 1, 5)), is_due(Look(), revision=3, now=datetime.max)
    (False, True)
    """
    return revision != last.revision or (last.again is not None and now >= last.again)


def looked(last: Look, *, revision: int, is_settled: bool, now: datetime) -> Look:
    """The look that was just taken: over for good when it settled the matter, else to be repeated after a rest.

    The rest doubles from 1 s to 60 s while the same revision fails, and begins anew with another revision.

    >>> first = looked(Look(), revision=3, is_settled=False, now=datetime(2026, 1, 5))
    >>> first.rest, looked(first, revision=3, is_settled=False, now=datetime(2026, 1, 5)).rest
    (1.0, 2.0)
    """
    if is_settled:
        return Look(revision)
    is_same = revision == last.revision and last.rest > 0
    rest = min(2 * last.rest, LONGEST_REST) if is_same else SHORTEST_REST
    return Look(revision, rest=rest, again=now + timedelta(seconds=rest))
