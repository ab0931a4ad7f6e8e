"""The account of capture: every answer is stored, repeated, dropped, left out by sampling, or still waiting."""

from collections.abc import Mapping
from typing import NamedTuple


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


def correction(totals: Mapping[str, int], *, held: int) -> Correction:
    """What a crash took, given that nothing waits and the log holds ``held`` live rows.

    answered = stored + repeated + dropped + sampled_out. The log is the truth about ``stored``. Whatever was answered
    and is nowhere was lost in memory: it is counted as dropped. When the log holds more than was ever counted as
    answered (a power cut took the youngest counts, or the counters were deleted), ``answered`` is lifted to it.

    >>> correction({"answered": 10, "stored": 4, "repeated": 1, "dropped": 2}, held=6)
    Correction(answered=0, stored=2, dropped=1)
    >>> correction({}, held=6)
    Correction(answered=6, stored=6, dropped=0)
    """
    accounted = held + sum(totals.get(name, 0) for name in ("repeated", "dropped", "sampled_out"))
    lost = totals.get("answered", 0) - accounted
    return Correction(answered=max(-lost, 0), stored=held - totals.get("stored", 0), dropped=max(lost, 0))
