"""What the user writes in ``loop.toml``, as one frozen record. Parsed in ``apps/config.py``."""

import msgspec

from loopline.records.ids import LoopName
from loopline.records.signature import Signature


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the first model comes from."""

    model: str = ""
    """A packaged model folder; empty: version 1 is trained from ``train.base``."""


class CaptureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What enters the log and what is sealed away."""

    sample: float = 1.0
    """Share of predictions kept, deterministic by id, in (0, 1]."""
    group_by: str = ""
    """Request parameter whose value groups samples; empty: texts of equal words are a group, and equal tabular rows."""
    reserve: float = 0.05
    """Share of groups sealed for evaluation, in [0, 0.5]."""


class SelectSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a cycle opens and what it asks about."""

    every_seconds: float = 21_600.0
    """From ``when = ["every 6h"]``; 0: never by the clock."""
    volume: int = 5_000
    """From ``when = ["volume 5000"]``; 0: never by volume."""
    strategy: str = "cluster-margin.v1"
    budget: int = 200
    explore: float = 0.10
    """Share of the budget drawn uniformly at random (the audit stream)."""


class AnnotateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many people are asked, and how their work is checked."""

    overlap_min: int = 1
    overlap_max: int = 3
    stop_at: float = 0.95
    """Posterior of the leading label at which no further person is asked."""
    gold: float = 0.05
    """Share of hidden known tasks after an annotator's first 100 (0.2 before), at least 0.02."""
    gold_file: str = ""
    """JSONL or CSV of known rows; empty: no gold."""
    norm: float = 0.8
    """Accuracy below which an annotator is paused once the evidence is strong."""
    blind: float = 0.10
    """Share of chosen tasks that show no suggestion."""
    lease_seconds: float = 300.0
    guideline: str = ""
    """Shown beside every task."""


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a dataset becomes a model."""

    run: str = ""
    """``train.py:train``: called as ``train(dataset, run)``."""
    base: str = ""
    """JSONL or CSV of labelled rows: dataset ``c0``."""
    memory_mb: int = 0
    seconds: int = 3_600


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a challenger must show on the reserve."""

    metric: str = "accuracy"
    margin: float = 0.01
    """How much worse a challenger may be and still pass, in the metric's units."""
    alpha: float = 0.05
    """Chance of promoting a model that is worse by more than the margin, over the whole life of the ledger."""
    anchor_file: str = ""
    """JSONL or CSV: the fixed part of the reserve."""


class RolloutSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a challenger that passed takes over traffic."""

    shadow: int = 500
    """Shadow answers before the first canary step."""
    canary: tuple[int, ...] = (1, 5, 25, 100)
    """Percent of traffic, one a step, ending at 100."""
    step_predictions: int = 200
    """Canary answers that each step below 100 needs."""
    alpha: float = 0.05
    """Chance that the evidence rolls back a challenger that fails to answer no more often than the incumbent; five
    failures in a row end a canary at any rate."""
    horizon_seconds: float = 604_800.0
    """How long one step may wait for traffic before the rollout ends as inconclusive, back at the incumbent."""


class MonitorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How sensitive the drift alarm is."""

    false_alarms_per_year: float = 1.0
    tick: int = 1_000
    """Predictions in one measurement."""
    reference: int = 5_000
    """Predictions that freeze a version's reference."""


class CadenceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds within which drift changes how much is labelled."""

    min_seconds: float = 7_200.0
    max_seconds: float = 259_200.0
    budget_max: int = 0
    """Labels a cycle at full severity; 0: three times the budget."""
    explore_max: float = 0.25
    """Audit share at full severity."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One loop, whole."""

    name: LoopName
    signature: Signature
    folder: str
    """Where ``loop.toml`` lies; relative paths in it start here."""
    serve: ServeSettings = ServeSettings()
    capture: CaptureSettings = CaptureSettings()
    select: SelectSettings = SelectSettings()
    annotate: AnnotateSettings = AnnotateSettings()
    train: TrainSettings = TrainSettings()
    gate: GateSettings = GateSettings()
    rollout: RolloutSettings = RolloutSettings()
    monitor: MonitorSettings = MonitorSettings()
    cadence: CadenceSettings = CadenceSettings()
