"""One turn of the loop, and how fast the loop turns."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import LoopName

Phase = Literal[
    "open", "selected", "published", "labelled", "cut", "training", "trained", "judged", "rolling", "closed"
]
"""How far the cycle has come; each names what is already done."""
CycleOutcome = Literal["", "promoted", "rejected", "inconclusive", "rolled_back", "failed", "labelled"]
"""``labelled``: it ends with labels, in a loop that trains nothing on them."""


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """One turn: opened for a reason, closed with an outcome. Cycle 0 trains the first version from the base set."""

    loop: LoopName
    number: int
    phase: Phase
    opened_at: datetime
    closed_at: datetime | None
    after: int
    """Log position where its window begins."""
    until: int
    """Log position where its window ends."""
    budget: int
    explore: float
    """Share of the budget drawn uniformly, in [0, 1]."""
    seed: int
    reason: str
    """Why it was opened."""
    outcome: CycleOutcome
    outcome_reason: str
    """Why it ended so; for a failure, with the tail of the log."""
    published_at: datetime | None = None
    """When people were first asked; None before, and in cycles of before it was kept."""

    @property
    def id(self) -> str:
        """``sentiment/cycle-3``."""
        return f"{self.loop}/cycle-{self.number}"


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How often the loop turns and how much it asks for; every change carries its sentence."""

    loop: LoopName
    interval_seconds: float
    budget: int
    explore: float
    severity: float
    """The worst open signal, in [0, 1]."""
    since: datetime
    reason: str
    settings: str = ""
    """The pace, budgets and bounds of ``loop.toml`` that it was made under: another text there makes a new cadence."""
