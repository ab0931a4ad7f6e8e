"""Which samples people are asked about, and with what probability each was drawn."""

from typing import Literal

import msgspec

from loopline.records.ids import Digest, LoopName, PredictionId, VersionName

Draw = Literal["chosen", "audit"]
"""By informativeness and diversity, or uniformly at random (the audit stream)."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One sample that was drawn, with everything needed to reweight it."""

    prediction: PredictionId
    content: Digest
    draw: Draw
    order: int
    """Place in the draw, from 0."""
    score: float
    """Informativeness under the strategy; for margin, small is informative."""
    probability: float
    """Chance of being taken by this ``draw``, in (0, 1], given the pool and before anything was drawn."""
    multiplicity: int
    """How many log rows of the window hold this or a near-identical input."""
    predicted: str
    """The label that the model gave; the suggestion, where one is shown."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """One batch, replayable: the same log snapshot and seed give the same bytes."""

    id: str
    loop: LoopName
    cycle: int
    strategy: str
    """With version: ``cluster-margin.v1``."""
    embedding: str
    """Which representation measured diversity: ``char-ngrams.v1``, ``features.v1``."""
    seed: int
    model: VersionName
    after: int
    """The window: log positions in (after, until]."""
    until: int
    pool_rows: int
    """Eligible rows in the window, repeats included."""
    pool_distinct: int
    """Eligible samples after duplicates were folded."""
    candidates: tuple[Candidate, ...]
    reason: str
    """In words: what was chosen from what, and how."""
