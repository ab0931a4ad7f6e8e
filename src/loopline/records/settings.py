"""What the user writes in ``loop.toml``, as one frozen record. Parsed in ``apps/config.py``."""

import msgspec

from loopline.records.ids import LoopName
from loopline.records.signature import Signature

ELSEWHERE = "elsewhere"
"""As ``serve.model``: nothing is served here, predictions are sent to us."""
LEARNED = frozenset({"single", "binary", "rating"})
"""Questions whose answers are one label a sample: what a trainer of this loop learns."""


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the first model comes from, and what one request may ask for."""

    model: str = ""
    """An ONNX or skops file, ``module:factory``, the address of a model on another Open Inference Protocol server, or
    ``elsewhere``; empty: version 1 is trained from ``train.base``."""
    checks: str = ""
    """JSONL or CSV of rows that ``model`` is verified on; empty: the base rows."""
    convert: str = "auto"
    """Whether a scikit-learn model is served as ONNX once that is verified to answer alike; ``never``: as it is."""
    outputs: tuple[str, ...] = ("probabilities", "label")
    """What is answered when a request names no outputs."""
    body_mb: int = 8
    """Largest request, as it comes in and unpacked."""
    batch_rows: int = 100_000
    """Most rows in one request."""
    timeout_seconds: float = 30.0
    """How long a request may take to arrive whole, and how long it may wait for a slow model."""


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """One rule about what must not be stored; applied before anything is."""

    field: str = "text"
    """``text``: text rows and failure messages; ``group``; ``segment``; ``trace``; a feature's number, from 0, of a
    table."""
    regex: str = ""
    """What is replaced; empty: the whole field."""
    replace: str = ""
    """By what; for a feature, a number, 0 when empty."""
    is_hashed: bool = False
    """Replaced by a keyed hash instead: equal values stay equal, and cannot be read back."""


class CaptureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What enters the log and what is sealed away."""

    sample: float = 1.0
    """Share of predictions kept, deterministic by id, in (0, 1]."""
    group_by: str = ""
    """Request parameter whose value groups samples; empty: texts of equal words are a group, and equal tabular rows."""
    segment_by: str = ""
    """Request parameter whose value names the part of the traffic that a sample is of, such as a channel; empty: none.
    Reports and plain requests name it as ``segment``."""
    reserve: float = 0.05
    """Share of groups sealed for evaluation, in [0, 0.5]."""
    keep: tuple[str, ...] = ("embedding",)
    """What is kept beside the distribution when the model gives it: ``embedding``, ``members``."""
    redact: tuple[Redaction, ...] = ()
    """In order."""
    payload_bytes: int = 65_536
    """Rows with more bytes than this go to the object store, and the log keeps their digest."""
    buffer_mb: int = 64
    """Answers that wait for the log take no more than this; beyond it they are dropped, and counted."""
    hot_seconds: float = 604_800.0
    """Age at which sealed rows are packed densely into the archive."""
    retain_seconds: float = 7_776_000.0
    """Age at which they are deleted; 0 stands for never."""


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
    quota_by: tuple[str, ...] = ()
    """Keys that cut the pool into strata: ``segment``, ``predicted``, ``day``, ``hour``; one stratum a combination."""
    quota_share: float = 1.0
    """Most of the chosen that may come from one stratum, as a share in (0, 1]."""
    weekly: int = 0
    """Most samples that seven days of cycles choose together; 0: no such cap."""
    throughput: bool = True
    """Whether a cycle asks for no more than people have been seen to answer while it lasts."""
    compare: bool = True
    """Whether each training run also makes two small models, to see whether chosen labels teach more than random."""
    fallback: bool = True
    """Whether the loop chooses at random while the strategy is measured to be worse than that."""
    launcher: str = "threads"
    """Who reads the pool: ``threads`` of this process, ``daft``, ``ray`` (one of its own here), or the Ray cluster at
    ``ray://HOST:PORT``."""


class AnnotateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What people are asked, how many of them, and how their work is checked."""

    question: str = "single"
    """What an answer is: ``single``, one of the labels; ``binary``, one of two; ``multiple``, any of them; ``rating``,
    one of a scale; or the name of an installed kind."""
    view: str = "auto"
    """How a sample is shown: ``text``, ``image``, ``table``, ``json``, or the name of an installed view; ``auto``: as
    its input says, and texts that are JSON as JSON."""
    overlap_min: int = 1
    overlap_max: int = 3
    stop_at: float = 0.95
    """Posterior of the leading label at which no further person is asked."""
    reserve_min: int = 0
    """People for a sample that judges models; 0: ``overlap_min``."""
    reserve_max: int = 0
    audit_min: int = 0
    """People for a sample of the audit stream; 0: ``overlap_min``."""
    audit_max: int = 0
    prior: str = "none"
    """Whether the ``model``'s probabilities count as evidence about chosen samples, or ``none``: where its suggestions
    are shown, people have heard them already (decision 0017)."""
    gold: float = 0.05
    """Share of hidden known tasks after an annotator's first 100 (0.2 before), at least 0.02."""
    gold_file: str = ""
    """JSONL or CSV of known rows; empty: no gold."""
    wrong: float = 0.3
    """Share of gold tasks that carry a deliberately wrong suggestion."""
    norm: float = 0.8
    """Accuracy below which an annotator is paused once the evidence is strong."""
    blind: float = 0.10
    """Share of chosen tasks that show no suggestion."""
    lease_seconds: float = 300.0
    deadline_seconds: float = 0.0
    """After publishing: labels are derived from what there is, and what is missing is said; 0: people are awaited."""
    adjudicate: bool = False
    """Whether a batch waits until a person has settled what its answers leave in doubt."""
    ambiguous: str = "soft"
    """What becomes of samples found ambiguous: kept as a ``soft`` label, or ``exclude``d."""
    skills: tuple[tuple[str, str], ...] = ()
    """Segment of the traffic -> skill that its samples ask of people."""
    languages: tuple[tuple[str, str], ...] = ()
    """Segment of the traffic -> language of its samples."""
    quota: int = 0
    """Most answers of one person in a UTC day, where theirs says nothing else; 0: any number."""
    guideline: str = ""
    """Shown beside every task."""


class PeopleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How people sign in, beside by name and password."""

    header: str = ""
    """The request header in which a proxy names who it has signed in; empty: none is believed."""
    proxies: tuple[str, ...] = ()
    """Addresses that may send it."""
    role: str = "annotator"
    """Of somebody whom the proxy names and who is not known yet; ``none``: they stay out."""


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


class StorageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where things are kept, when not beside ``loop.toml``; the environment's word comes first."""

    state: str = ""
    """``DATABASE_URL``: ``postgresql://...``; empty: a SQLite file."""
    objects: str = ""
    """``OBJECT_STORE``: ``s3://bucket/prefix``, ``file:///folder``; empty: a folder."""


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
    storage: StorageSettings = StorageSettings()
    people: PeopleSettings = PeopleSettings()
