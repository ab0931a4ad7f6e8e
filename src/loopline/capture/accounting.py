"""The account of capture: every answer is stored, repeated, dropped, left out by sampling, or still waiting."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from loopline.records.exchange import Exchange, Turn


class Correction(NamedTuple):
    """What to add to the totals so that the account balances again; applied once, at start."""

    answered: int
    stored: int
    dropped: int


def live_rows(tally: Mapping[str, int]) -> int:
    """Rows of the log that were somebody's answer: every arm except shadow.

    >>> live_rows({"incumbent": 7, "canary": 2, "shadow": 5})
    9
    """
    return sum(rows for arm, rows in tally.items() if arm != "shadow")


def live(exchanges: Iterable[Exchange | Turn | None]) -> int:
    """Answers in these; one that cannot be read counts as a single one."""
    return sum(1 if each is None else each.rows for each in exchanges if each is None or each.arm != "shadow")


def dropped(exchanges: Iterable[Exchange | Turn | None]) -> dict[str, int]:
    """How their loss is counted.

    >>> dropped([None])
    {'dropped': 1, 'shadow_dropped': 0}
    """
    lost = tuple(exchanges)
    shadow = sum(each.rows for each in lost if each is not None and each.arm == "shadow")
    return {"dropped": live(lost), "shadow_dropped": shadow}


def added(*amounts: Mapping[str, int]) -> dict[str, int]:
    """All of them together.

    >>> added({"dropped": 1}, {"stored": 2}, {"dropped": 3})
    {'dropped': 4, 'stored': 2}
    """
    names = dict.fromkeys(name for each in amounts for name in each)
    return {name: sum(each.get(name, 0) for each in amounts) for name in names}


def shares(rows: int, *, held: int, counted: int) -> dict[str, int]:
    """How many of ``rows`` live rows, just appended, are new: the log holds ``held`` now, ``counted`` were known.

    The difference is exact also when an earlier attempt was stored and not heard of. What it is too large for these
    rows is left for those that come next: they are what that attempt stored.

    >>> shares(10, held=107, counted=100), shares(10, held=112, counted=100)
    ({'stored': 7, 'repeated': 3}, {'stored': 10, 'repeated': 0})
    """
    stored = max(0, min(held - counted, rows))
    return {"stored": stored, "repeated": rows - stored}


def correction(totals: Mapping[str, int], *, held: int, waiting: int = 0) -> Correction:
    """What a crash took, given that ``waiting`` rows wait and the log holds ``held`` live rows beside them.

    answered = stored + repeated + dropped + sampled_out + waiting. The log is the truth about ``stored``. Whatever was
    answered and is nowhere was lost on the way: it is counted as dropped. When more is found than was ever counted as
    answered (a power cut took the youngest counts, or the counters were deleted), ``answered`` is lifted to it.

    >>> correction({"answered": 10, "stored": 4, "repeated": 1, "dropped": 2}, held=6)
    Correction(answered=0, stored=2, dropped=1)
    >>> correction({"answered": 10, "stored": 6}, held=6, waiting=4)
    Correction(answered=0, stored=0, dropped=0)
    >>> correction({}, held=6)
    Correction(answered=6, stored=6, dropped=0)
    """
    accounted = held + waiting + sum(totals.get(name, 0) for name in ("repeated", "dropped", "sampled_out"))
    lost = totals.get("answered", 0) - accounted
    return Correction(answered=max(-lost, 0), stored=held - totals.get("stored", 0), dropped=max(lost, 0))
