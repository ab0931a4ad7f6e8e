"""The verdict on a challenger, with its evidence."""

from typing import Literal

import msgspec

from loopline.records.ids import LoopName, VersionName
from loopline.records.leak import Leak

Outcome = Literal["pass", "fail", "inconclusive"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Challenger against incumbent on the same rows, paired."""

    part: str
    """``fresh``, ``anchor``, or a slice."""
    n: int
    incumbent: float
    challenger: float
    difference: float
    """challenger - incumbent."""
    lower: float
    """One-sided lower bound of the difference at the alpha spent here."""
    upper: float
    """One-sided upper bound at the same alpha."""
    power: float
    """Chance that an equal model passes at this n and alpha, in [0, 1]."""
    outcome: Outcome
    reason: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Pass, fail or inconclusive, with the sentence that says why."""

    id: str
    loop: LoopName
    cycle: int
    challenger: VersionName
    incumbent: VersionName
    metric: str
    margin: float
    decision: int
    """k: this is the k-th decision of the loop's ledger."""
    alpha: float
    """What this decision may spend: alpha * 6 / (pi^2 k^2); 0 when too few rows made a pass impossible."""
    comparisons: tuple[Comparison, ...]
    leaks: int
    """Reserve rows that the training rows hold or nearly hold; any makes the verdict fail."""
    outcome: Outcome
    reason: str
    pairs: tuple[Leak, ...] = ()
    """Of them, the first hundred, with the training row that tells of each."""
