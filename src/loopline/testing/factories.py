"""Valid records with sensible defaults, so that a test states only what it is about.

Each takes ``**changes``: any field of the record, by name. All speak of one loop, ``sentiment``: texts, and the labels
negative, neutral and positive. Nothing here reads a clock or draws at random: the same call gives the same record.

>>> prediction("p7", "so good").label
'positive'
>>> task("t7", "so good", stratum="gold", gold="positive").content == prediction("p7", "so good").content
True
"""

import hashlib
import math
from collections.abc import Sequence

import msgspec

from loopline.orchestrate.cadence import written
from loopline.records.access import ApiKey
from loopline.records.cycle import Cadence, Cycle
from loopline.records.dataset import Anchor, DatasetVersion, LabelledRow, Tag
from loopline.records.ids import CommandId, PredictionId, RunId, TaskId, VersionName
from loopline.records.label import Label, LabelBatch
from loopline.records.lineage import Activity, Entry, Event, Stored
from loopline.records.model import ModelVersion, RunSpec
from loopline.records.prediction import Prediction
from loopline.records.selection import Candidate, Selection
from loopline.records.settings import Settings
from loopline.records.task import Annotation, Claim, Skip, Standing, Stratum, Task
from loopline.testing.judgements import (
    comparison,
    measurement,
    rollout,
    signal,
    split,
    strategy_comparison,
    trial,
    verdict,
)
from loopline.testing.scene import LABELS, LOOP, NOW, SIGNATURE, digest, later

__all__ = [
    "LABELS",
    "LOOP",
    "NOW",
    "SIGNATURE",
    "activity",
    "anchor",
    "annotation",
    "api_key",
    "cadence",
    "candidate",
    "claim",
    "comparison",
    "cycle",
    "dataset_version",
    "digest",
    "entry",
    "event",
    "label",
    "label_batch",
    "labelled_row",
    "later",
    "measurement",
    "model_version",
    "prediction",
    "rollout",
    "run_spec",
    "selection",
    "settings",
    "signal",
    "skip",
    "split",
    "standing",
    "strategy_comparison",
    "task",
    "trial",
    "verdict",
]


def settings(**changes: object) -> Settings:
    """A text loop ``sentiment`` with labels negative, neutral, positive, and every default."""
    return msgspec.structs.replace(Settings(name=LOOP, signature=SIGNATURE, folder="."), **changes)


def prediction(id: str = "p1", text: str = "good", **changes: object) -> Prediction:  # noqa: A002  the record's field
    """An answer of ``v1`` as incumbent; label, margin and entropy follow from the probabilities."""
    probabilities = changes.pop("probabilities", (0.1, 0.2, 0.7))
    assert isinstance(probabilities, Sequence)
    inputs = SIGNATURE.encode(text)
    first, second = sorted(range(len(probabilities)), key=lambda i: (-probabilities[i], i))[:2]
    default = Prediction(
        id=PredictionId(id),
        loop=LOOP,
        at=NOW,
        model=VersionName("v1"),
        artifact=digest(b"v1"),
        signature=SIGNATURE.digest,
        arm="incumbent",
        inputs=inputs,
        content=digest(inputs),
        group=digest(inputs),
        role="loop",
        probabilities=tuple(probabilities),
        label=LABELS[first],
        margin=probabilities[first] - probabilities[second],
        entropy=-sum(p * math.log(p) for p in probabilities if p > 0),
        latency_us=150,
    )
    return msgspec.structs.replace(default, **changes)


def task(id: str = "t1", text: str = "good", **changes: object) -> Task:  # noqa: A002  the record's field
    """A chosen task of cycle 1 that wants one answer and shows no suggestion."""
    inputs = SIGNATURE.encode(text)
    default = Task(
        id=TaskId(id),
        loop=LOOP,
        cycle=1,
        sample=PredictionId(f"p-{id}"),
        content=digest(inputs),
        stratum="chosen",
        inputs=inputs,
    )
    return msgspec.structs.replace(default, **changes)


def claim(annotator: str = "ana", **changes: object) -> Claim:
    """One task of any kind but gold, for a minute."""
    strata = frozenset[Stratum]({"chosen", "audit", "reserve", "relabel"})
    default = Claim(annotator=annotator, count=1, strata=strata, seconds=60.0)
    return msgspec.structs.replace(default, **changes)


def annotation(id: str = "a1", **changes: object) -> Annotation:  # noqa: A002  the record's field
    """Ana's answer to task ``t1``: positive, after two seconds."""
    default = Annotation(id=id, task=TaskId("t1"), annotator="ana", label="positive", at=NOW, seconds=2.0)
    return msgspec.structs.replace(default, **changes)


def skip(**changes: object) -> Skip:
    """Ana passes task ``t1`` on."""
    return msgspec.structs.replace(Skip(task=TaskId("t1"), annotator="ana", reason="unclear", at=NOW), **changes)


def standing(annotator: str = "ana", **changes: object) -> Standing:
    """An active annotator who was right on nine of ten gold tasks."""
    default = Standing(
        annotator=annotator,
        loop=LOOP,
        state="active",
        gold_seen=10,
        gold_right=9,
        accuracy=0.83,
        below_norm=0.3,
        reason="9 of 10 gold tasks right",
    )
    return msgspec.structs.replace(default, **changes)


def cycle(number: int = 1, **changes: object) -> Cycle:
    """An open cycle over the first thousand log rows."""
    default = Cycle(
        loop=LOOP,
        number=number,
        phase="open",
        opened_at=NOW,
        closed_at=None,
        after=0,
        until=1_000,
        budget=20,
        explore=0.1,
        seed=number,
        reason="1000 new predictions",
        outcome="",
        outcome_reason="",
    )
    return msgspec.structs.replace(default, **changes)


def cadence(**changes: object) -> Cadence:
    """The calm pace."""
    default = Cadence(
        settings=written(settings()),
        loop=LOOP,
        interval_seconds=21_600.0,
        budget=20,
        explore=0.1,
        severity=0.0,
        since=NOW,
        reason="nothing drifts",
    )
    return msgspec.structs.replace(default, **changes)


def candidate(id: str = "p1", text: str = "good", **changes: object) -> Candidate:  # noqa: A002  the prediction's id
    """A chosen sample, first in the draw."""
    default = Candidate(
        prediction=PredictionId(id),
        content=digest(SIGNATURE.encode(text)),
        draw="chosen",
        order=0,
        score=0.1,
        probability=1.0,
        multiplicity=1,
        predicted="positive",
    )
    return msgspec.structs.replace(default, **changes)


def selection(*candidates: Candidate, **changes: object) -> Selection:
    """Cycle 1's selection of these candidates, or of one default candidate."""
    default = Selection(
        id="cycle-1",
        loop=LOOP,
        cycle=1,
        strategy="cluster-margin.v1",
        embedding="char-ngrams.v1",
        seed=1,
        model=VersionName("v1"),
        after=0,
        until=1_000,
        pool_rows=1_000,
        pool_distinct=900,
        candidates=candidates or (candidate(),),
        reason="chosen from 900 distinct samples",
    )
    return msgspec.structs.replace(default, **changes)


def label(sample: str = "p1", text: str = "good", **changes: object) -> Label:
    """A chosen sample of cycle 1 that Ana called positive."""
    inputs = SIGNATURE.encode(text)
    default = Label(
        sample=PredictionId(sample),
        content=digest(inputs),
        inputs=inputs,
        cycle=1,
        stratum="chosen",
        label="positive",
        posterior=(0.02, 0.03, 0.95),
        annotators=("ana",),
    )
    return msgspec.structs.replace(default, **changes)


def label_batch(*labels: Label, **changes: object) -> LabelBatch:
    """The labels of cycle 1: these, or one default label."""
    default = LabelBatch(
        id="cycle-1",
        loop=LOOP,
        cycle=1,
        method="dawid-skene.v1",
        labels=labels or (label(),),
        alpha=-1.0,
        alpha_n=0,
        annotations=max(1, len(labels)),
        reason="one answer a task",
    )
    return msgspec.structs.replace(default, **changes)


def labelled_row(id: str = "r1", text: str = "good", **changes: object) -> LabelledRow:  # noqa: A002  the record's field
    """A row whose label is known: positive."""
    return msgspec.structs.replace(LabelledRow(id=id, inputs=SIGNATURE.encode(text), label="positive"), **changes)


def dataset_version(name: str = "c0", **changes: object) -> DatasetVersion:
    """An imported base of three rows."""
    default = DatasetVersion(
        id=digest(name.encode()),
        name=name,
        loop=LOOP,
        cycle=0,
        parent=None,
        file=digest(b"parquet " + name.encode()),
        signature=SIGNATURE.digest,
        rows=3,
        added=3,
        relabelled=0,
        by_class=dict.fromkeys(LABELS, 1),
        method="imported",
        selection="",
        cut_at=NOW,
        reason="the base set",
    )
    return msgspec.structs.replace(default, **changes)


def tag(name: str = "prod", **changes: object) -> Tag:
    """A name for the imported base."""
    default = Tag(name=name, loop=LOOP, version="c0", dataset=digest(b"c0"), at=NOW)
    return msgspec.structs.replace(default, **changes)


def anchor(**changes: object) -> Anchor:
    """An anchor of three rows."""
    default = Anchor(id=digest(b"anchor"), loop=LOOP, rows=3, signature=SIGNATURE.digest)
    return msgspec.structs.replace(default, **changes)


def model_version(name: str = "v1", **changes: object) -> ModelVersion:
    """A scikit-learn model that was registered from outside."""
    default = ModelVersion(
        name=VersionName(name),
        loop=LOOP,
        cycle=0,
        artifact=digest(name.encode()),
        engine="sklearn",
        signature=SIGNATURE,
        checks=digest(b"checks " + name.encode()),
        dataset=None,
        run=None,
        code=None,
        at=NOW,
        metrics={},
    )
    return msgspec.structs.replace(default, **changes)


def run_spec(id: str = "run-1", **changes: object) -> RunSpec:  # noqa: A002  the record's field
    """A training run of cycle 1 on dataset ``c1``."""
    default = RunSpec(
        id=RunId(id),
        loop=LOOP,
        cycle=1,
        dataset=digest(b"c1"),
        dataset_file="c1.parquet",
        signature=SIGNATURE,
        entry="train.py:train",
        folder=".",
        seed=1,
        memory_mb=0,
        seconds=60,
    )
    return msgspec.structs.replace(default, **changes)


def api_key(id: str = "lk_4f9a2c000000", **changes: object) -> ApiKey:  # noqa: A002  the record's field
    """A key of the checkout service: it may predict, as often as it likes."""
    secret = hashlib.sha256(b"0" * 64).hexdigest()
    default = ApiKey(id=id, loop=LOOP, name="checkout service", scopes=("predict",), secret=secret, made_at=NOW)
    return msgspec.structs.replace(default, **changes)


def activity(id: str = "act-1", **changes: object) -> Activity:  # noqa: A002  the record's field
    """The selection of cycle 1."""
    default = Activity(
        id=CommandId(id),
        loop=LOOP,
        kind="select",
        cycle=1,
        started=NOW,
        ended=NOW,
        actor="loopline",
        used=("model:v1", "cycle:cycle-1"),
        generated=("selection:cycle-1",),
    )
    return msgspec.structs.replace(default, **changes)


def event(id: str = "event-1", **changes: object) -> Event:  # noqa: A002  the record's field
    """Cycle 1 has selected."""
    default = Event(
        id=id,
        type="cycle.selected",
        source=f"/loops/{LOOP}",
        subject="selection:cycle-1",
        time=NOW,
        text="cycle 1 selected 1 sample",
    )
    return msgspec.structs.replace(default, **changes)


def entry(id: str = "entry-1", *records: Stored, **changes: object) -> Entry:  # noqa: A002  the record's field
    """An entry with these records and nothing else."""
    return msgspec.structs.replace(Entry(id=CommandId(id), records=records), **changes)
