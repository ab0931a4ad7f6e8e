"""Whether chosen labels teach more than random ones: what was trained for it, and what the reserve says."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import Digest, LoopName
from loopline.records.model import EngineName

Kind = Literal["chosen", "random"]
Finding = Literal["better", "worse", "unclear", "not measured"]
"""Of chosen against random labels: the interval lies above 0, below it, holds it; or there is none."""


CHANCE = frozenset({"random.v1", "random-diverse.v1"})
"""Strategies that choose at random themselves: there is nothing to compare."""


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two small models."""

    kind: Kind
    artifact: Digest
    engine: EngineName
    seconds: float
    """Wall time of its training."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Two models by the same trainer and seed: the shared rows with n chosen labels, and with n random ones."""

    after: int
    """Labels of later cycles are compared; the rows of this cycle and before are shared."""
    labels: int
    """n: of each kind."""
    shared: int
    """Rows that both hold beside them."""
    arms: tuple[Arm, ...] = ()
    """Chosen, then random; empty when one of them was not trained."""
    reason: str = ""
    """Why there are none."""
    seconds: float = 0.0
    """Wall time of what was trained, models that came to nothing included."""


class StrategyComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Chosen against random labels in one cycle, as many of each, on the same rows of the fresh reserve."""

    id: str
    """``cycle-3``."""
    loop: LoopName
    cycle: int
    at: datetime
    """UTC. When it was made."""
    asked: str
    """The strategy in ``loop.toml``."""
    strategy: str
    """The strategy that chose: another one while the loop has fallen back."""
    metric: str
    trial: Trial
    reserve: int
    """Labelled reserve rows that both were asked about."""
    chosen: float
    """What the model with chosen labels reaches in the metric."""
    random: float
    before: float | None
    """What the shared rows alone reach; None when no version was trained on just these."""
    difference: float
    """chosen - random, in the metric's units."""
    low: float
    """Bounds of the 95 % interval of the difference, over reserve rows."""
    high: float
    excess: float
    """How far a chosen label is from being worth 1.25 random ones: (chosen - before) - 1.25 (random - before);
    the difference where ``before`` is unknown."""
    excess_error: float
    """Its standard error, over reserve rows."""
    finding: Finding
    reason: str

    @property
    def is_measured(self) -> bool:
        """Whether the two were compared at all."""
        return self.finding != "not measured"

    @property
    def per_label(self) -> float:
        """What one chosen label gains over a random one, in the metric's units; 0 when not measured."""
        return self.difference / self.trial.labels if self.is_measured else 0.0
