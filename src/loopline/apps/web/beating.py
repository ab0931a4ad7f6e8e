"""Does choosing beat chance? The last comparison, those before it, and what the loop makes of them."""

from collections.abc import Sequence
from typing import NamedTuple

from loopline.apps.web.effort import Effort
from loopline.orchestrate.beating import Choice, choice
from loopline.records.comparison import StrategyComparison
from loopline.records.settings import Settings
from loopline.records.signal import Signal
from loopline.train.arms import LEAST_LABELS

SHOWN = 6
"""Comparisons in the history."""
PER_LABELS = 100
"""A gain per label is too small a number to read."""


class Beating(NamedTuple):
    """All that the panel says."""

    last: StrategyComparison | None
    """The newest that was measured."""
    history: tuple[StrategyComparison, ...]
    """Newest first, those not measured among them."""
    choice: Choice
    title: str
    """Of the panel while nothing has been measured."""
    advice: str
    """How to come to a comparison, while there is none."""

    @property
    def per_labels(self) -> float:
        """What a hundred chosen labels gain over a hundred random ones, at the rate of the last comparison."""
        return PER_LABELS * self.last.per_label if self.last else 0.0


def beating_of(
    comparisons: Sequence[StrategyComparison],
    *,
    efforts: Sequence[Effort],
    signals: Sequence[Signal],
    settings: Settings,
) -> Beating:
    """The panel from stored records; ``efforts``: of every cycle that was labelled."""
    newest = tuple(sorted(comparisons, key=lambda one: -one.cycle))
    pairs = sum(min(effort.chosen.n, effort.audit.n) for effort in efforts)
    return Beating(
        last=next((one for one in newest if one.is_measured), None),
        history=newest[:SHOWN],
        choice=choice(comparisons, signals=signals, settings=settings),
        title=newest[0].reason if newest else f"{pairs} of {LEAST_LABELS} labels of each kind so far",
        advice=_advice(pairs, explore=settings.select.explore),
    )


def _advice(pairs: int, *, explore: float) -> str:
    told = "Once they are there, each training run also trains two small models, one with chosen labels and one with "
    told += "as many random ones, and the sealed reserve tells which labels taught more."
    if pairs >= LEAST_LABELS:
        return f"There are {pairs} of each by now. {told}"
    if not explore:
        return f"[select] explore is 0, so no label is random and nothing can be compared. {told}"
    missing = LEAST_LABELS - pairs
    return f"{missing} random labels are missing; {100 * explore:.0f} % of each cycle are drawn at random. {told}"
