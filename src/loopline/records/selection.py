"""Which samples people are asked about, and with what probability each was drawn."""

from typing import Literal

import msgspec

from loopline.records.ids import Digest, LoopName, PredictionId, VersionName

Draw = Literal["chosen", "audit"]
"""By informativeness and diversity, or uniformly at random (the audit stream); what both drew is ``audit``."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One sample that was drawn, with everything needed to reweight it."""

    prediction: PredictionId
    content: Digest
    draw: Draw
    order: int
    """Place in the draw, from 0: sample ``m - 1`` of LURE."""
    score: float | None
    """Informativeness under the strategy; for margin, small is informative. None where the log holds none."""
    probability: float
    """Chance of being in the batch at all, in (0, 1], given the pool and before anything was drawn."""
    multiplicity: int
    """How many log rows of the window hold this or a near-identical input."""
    predicted: str
    """The label that the model gave; the suggestion, where one is shown."""
    position: int = 0
    """Of its row in the log; 0 in selections of before it was kept."""
    proposal: float = 0.0
    """Chance of being drawn at its place, given what was drawn before, in (0, 1]: ``q(i_m)`` of LURE. 0: not kept."""
    segment: str = ""
    """The part of the traffic that the request named."""
    is_both: bool = False
    """Whether the audit and the choice drew it: its label counts for either."""
    cluster: int = -1
    """The group of alike candidates that the strategy put a chosen one into; -1: none, or not kept."""


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
    """Eligible samples after duplicates were folded: N of LURE."""
    candidates: tuple[Candidate, ...]
    reason: str
    """In words: what was chosen from what, and how."""
    budget: int = 0
    """Steps of the draw: most samples that could be taken."""
    quota_by: tuple[str, ...] = ()
    """What a stratum is: a combination of these; empty: there are none."""
    quota_share: float = 1.0
    """Most of the batch that could come from one stratum as chosen."""
    explore: float = 0.0
    """Chance of each step to be the audit's."""
    audits: int = 0
    """Steps that were the audit's: a uniform draw of this many, without replacement."""
    shortlist: int = 0
    """Candidates that the strategy arranged, near duplicates folded."""
    clusters: int = 0
    """Distinct clusters among the chosen; 0 where the strategy has none."""
    tail_probability: float = 0.0
    """Chance of being in the batch of each sample that was not on the shortlist."""
    unscored: int = 0
    """Rows of the pool's best without a usable score: they come last."""
