"""Does the strategy beat chance, and what is used when it does not? Pure: comparisons and settings in, a choice out.

The question is whether a chosen label is worth 1.25 random ones (``StrategyComparison.excess``, 0 at exactly that).
The loop falls back to random and diverse samples when three measured comparisons in a row did not find chosen labels
better, and the mean excess of the three is below 0 for sure:

    mean + t * sqrt(mean reserve error ** 2 + spread ** 2 / 3) < 0

The errors of the three are added as if they were one: the same reserve rows may have judged them all. The spread is
that of all excesses of the strategy: no two comparisons share a label, so that it shows what the drawing of labels
adds. The quantile t is Student's, its degrees of freedom by Satterthwaite (Biometrics Bulletin 2 (1946) 110-114), at
the level alpha * 6 / (pi^2 k^2) for the k-th look. So a strategy whose labels are worth 1.25 random ones or more is
ever given up with a chance of about alpha at most, however often one looks (``docs/decisions/0013``).
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scipy.special import stdtrit

from loopline.records.comparison import CHANCE, StrategyComparison
from loopline.records.selection import Selection
from loopline.records.settings import Settings
from loopline.records.signal import Signal

FALLBACK = "random-diverse.v1"
"""What chooses while the strategy does not beat chance."""
IN_A_ROW = 3
ALPHA = 0.05
"""Chance of ever giving up a strategy that is worth having."""


class Choice(NamedTuple):
    """The strategy of the next cycle."""

    strategy: str
    is_fallback: bool
    reason: str
    """In words, for the cycle and for people."""
    evidence: tuple[str, ...] = ()
    """Ids of the comparisons that gave the strategy up, oldest first."""


class _Run(NamedTuple):
    """What has been measured of the strategy since it was last trusted anew."""

    measured: tuple[StrategyComparison, ...] = ()
    looks: int = 0
    """Since the strategy came into ``loop.toml``: what was spent is not given back."""
    given_up: StrategyComparison | None = None


def choice(comparisons: Iterable[StrategyComparison], *, signals: Sequence[Signal], settings: Settings) -> Choice:
    """Which strategy the next cycle uses, and why; ``signals``: all of the loop's, cleared ones too."""
    asked, run = settings.select.strategy, _told(comparisons, signals=signals, settings=settings)
    fallen = run.given_up
    if fallen is None or asked == FALLBACK:
        return Choice(asked, False, _standing(run, asked))
    why = f"in {IN_A_ROW} comparisons in a row, the last in cycle {fallen.cycle}, labels chosen by {asked} were worth "
    why += "less than 1.25 random ones"
    if not settings.select.fallback:
        return Choice(asked, False, f"{why}; {asked} stays because [select] fallback is false")
    evidence = tuple(one.id for one in run.measured[-IN_A_ROW:])
    return Choice(
        FALLBACK, True, f"{FALLBACK} instead of {asked}, until loop.toml or the world changes: {why}", evidence
    )


def compared_after(
    selection: Selection, *, before: Iterable[Selection], comparisons: Iterable[StrategyComparison]
) -> int:
    """The last cycle whose labels are not compared in the cycle of this selection; -1: nothing is to be compared.

    Labels are compared once, and with labels of the same strategy: those since its last measured comparison, or since
    another one last chose.
    """
    if selection.strategy in CHANCE:
        return -1
    measured = (c.cycle for c in comparisons if c.is_measured and c.cycle < selection.cycle)
    others = (s.cycle for s in before if s.cycle < selection.cycle and s.strategy != selection.strategy)
    return max((*measured, *others), default=0)


def is_given_up(measured: Sequence[StrategyComparison], *, looks: int) -> bool:
    """Whether the last three say so, at the level of this look; ``measured``: all of the strategy, oldest first."""
    last, excesses = measured[-IN_A_ROW:], [one.excess for one in measured]
    if len(last) < IN_A_ROW or any(one.finding == "better" for one in last):
        return False
    mean = math.fsum(one.excess for one in last) / IN_A_ROW
    shared = (math.fsum(one.excess_error for one in last) / IN_A_ROW) ** 2
    centre, freedom = math.fsum(excesses) / len(excesses), len(excesses) - 1
    drawn = math.fsum((excess - centre) ** 2 for excess in excesses) / freedom / IN_A_ROW
    if shared + drawn == 0:
        return mean < 0
    level = ALPHA * 6 / (math.pi**2 * looks**2)
    df = min((shared + drawn) ** 2 * freedom / drawn**2, 1e6) if drawn > 0 else 1e6
    return bool(mean + float(stdtrit(df, 1 - level)) * math.sqrt(shared + drawn) < 0)


def _told(comparisons: Iterable[StrategyComparison], *, signals: Sequence[Signal], settings: Settings) -> _Run:
    """The history once more, oldest first: the same records give the same state again."""
    run = _Run()
    for one in sorted(comparisons, key=lambda one: one.cycle):
        if one.asked != settings.select.strategy or one.metric != settings.gate.metric:
            run = _Run()
            continue
        if run.given_up and any(run.given_up.at < signal.raised_at <= one.at for signal in signals):
            run = _Run(looks=run.looks)
        if one.is_measured and run.given_up is None:
            run = _next(run, one)
    if run.given_up and any(signal.raised_at > run.given_up.at for signal in signals):
        return _Run(looks=run.looks)
    return run


def _next(run: _Run, one: StrategyComparison) -> _Run:
    measured = (*run.measured, one)
    if len(measured) < IN_A_ROW:
        return _Run(measured, run.looks)
    looks = run.looks + 1
    return _Run(measured, looks, one if is_given_up(measured, looks=looks) else None)


def _standing(run: _Run, asked: str) -> str:
    if not run.measured:
        return f"{asked}, as loop.toml asks; it has not been compared with random labels yet"
    found = [one.finding for one in run.measured]
    counts = ", ".join(f"{found.count(name)} {name}" for name in ("better", "unclear", "worse") if name in found)
    comparisons = f"{len(found)} comparison{'s' if len(found) > 1 else ''}"
    return f"{asked}, as loop.toml asks; against random labels, {comparisons}: {counts}"
