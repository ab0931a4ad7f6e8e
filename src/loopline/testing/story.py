"""A loop in the middle of its third cycle, told as stored records: what pages show and what their tests look at.

Two versions have been promoted after v1, people are labelling, an annotator is paused, a signal is raised. Every
record follows from the moment it is told at: the same moment, the same story.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from loopline.adapters.memory.objects import MemoryObjects
from loopline.ports.ledger import Ledger
from loopline.ports.object_store import ObjectStore
from loopline.records.dataset import DatasetVersion
from loopline.records.evaluation import Comparison, Verdict
from loopline.records.ids import PredictionId, RunId, VersionName
from loopline.records.keys import entity_of
from loopline.records.label import Label
from loopline.records.lineage import Event, Stored
from loopline.records.model import ModelVersion
from loopline.records.prediction import Prediction
from loopline.records.selection import Candidate
from loopline.records.task import Stratum, Task
from loopline.testing import factories as make
from loopline.testing.sentences import SENTENCES
from loopline.testing.story_samples import BATCH, RANDOM, SEALED, Kept, bell, kept_of, odds, row_of, said, score

PEOPLE = ("ana", "bo", "chidi", "dara")
SAID = {"train": "run run-{number} trains on {data}", "collect": "{new} was trained on {data}; its checks agree"}
DRAWN = {"budget": BATCH, "explore": 0.16, "audits": RANDOM, "shortlist": 5 * BATCH, "clusters": 20}
"""How each of its selections was drawn."""
ACCURACY = ((0.531, 0.598, 0.772, 0.769), (0.598, 0.641, 0.769, 0.774))
"""By cycle: incumbent and challenger on fresh rows, then on the anchor."""


def tell(ledger: Ledger, *, now: datetime, objects: ObjectStore | None = None) -> None:
    """Commit the story, so that it has led up to this moment; its datasets and its anchor go to ``objects``.

    Of the windows, a log that holds ``predictions`` and nothing before them has the first one's rows only.
    """
    kept = [kept_of(objects or MemoryObjects(), number) for number in (0, 1, 2)]
    _base(ledger, now - timedelta(minutes=9), kept=kept[0])
    for number in (1, 2):
        _closed_cycle(ledger, number, now - timedelta(minutes=9 - 3 * number), kept=kept)
    _open_cycle(ledger, 3, now - timedelta(seconds=80))


def predictions(*, now: datetime) -> tuple[Prediction, ...]:
    """The predictions that the story's samples came from: what the model said, as sure of it as the samples' scores."""
    ago = timedelta(minutes=8)
    return tuple(
        make.prediction(f"p{row}", text, at=now - ago, probabilities=odds(row))
        for row, (text, _) in enumerate(SENTENCES)
    )


def _commit(ledger: Ledger, at: datetime, act: str, kind: str, told: tuple[str, str], **entry: object) -> None:
    records = entry.pop("records", ())
    used, cycle = entry.pop("used", ()), entry.pop("cycle", -1)
    assert isinstance(records, tuple)
    made = tuple(map(entity_of, records))
    activity = make.activity(
        act, kind=kind, cycle=cycle, started=at, ended=at, actor="loopline 0.1.0", used=used, generated=made
    )
    said = Event(id=f"{act}/event", type=told[0], source="/loops/sentiment", subject=act, time=at, text=told[1])
    ledger.commit(make.entry(act, *records, activity=activity, events=(said,), **entry))


def _base(ledger: Ledger, at: datetime, *, kept: Kept) -> None:
    base = make.dataset_version(
        id=kept.version.id,
        file=kept.version.file,
        parts=kept.version.parts,
        rows=8_000,
        added=8_000,
        by_class={"negative": 3_371, "neutral": 1_204, "positive": 3_425},
        cut_at=at,
        reason="8,000 rows imported from base.jsonl",
    )
    first = _model("v1", cycle=0, dataset=base, at=at)
    opened = make.cycle(
        0,
        phase="closed",
        opened_at=at,
        closed_at=at + timedelta(seconds=21),
        after=0,
        until=0,
        budget=0,
        reason="no version is live: train the first one from the base set",
        outcome="promoted",
        outcome_reason="v1 is the first version",
    )
    told = ("dataset.cut", base.reason)
    _commit(
        ledger, at, "sentiment/import", "ImportBase", told, records=(base, make.anchor(id=kept.anchor.id, rows=1_000))
    )
    _commit(ledger, at, "sentiment/cycle/0/open", "OpenCycle", ("cycle.opened", opened.reason), records=(opened,))
    spec = make.run_spec("run-0", cycle=0, dataset=base.id)
    told = ("training.finished", "v1 was trained on c0 and gives the recorded probabilities again")
    made = (spec, first, make.split(1))
    _commit(ledger, at, "sentiment/cycle/0/collect", "CollectModel", told, records=made, used=("dataset:c0",))


def _closed_cycle(ledger: Ledger, number: int, at: datetime, *, kept: Sequence[Kept]) -> None:
    """One turn that ended in a promotion."""
    old, new = VersionName(f"v{number}"), VersionName(f"v{number + 1}")
    after, until = 4_000 * (number - 1), 4_000 * number
    cycle = make.cycle(
        number,
        phase="closed",
        opened_at=at,
        closed_at=at + timedelta(seconds=96),
        after=after,
        until=until,
        budget=BATCH,
        outcome="promoted",
        outcome_reason=f"{new} was promoted: 300 canary answers without a failure",
        reason="top-probability moved on the live version, and 4,000 predictions are new",
    )
    name, act = f"cycle:cycle-{number}", f"sentiment/cycle/{number}"
    candidates = _candidates(number)
    chosen = make.selection(
        *candidates,
        id=f"cycle-{number}",
        cycle=number,
        model=old,
        after=after,
        until=until,
        pool_rows=3_980,
        pool_distinct=3_212,
        seed=number,
        **DRAWN,
        reason=f"{BATCH - RANDOM} by small margin over 20 clusters and {RANDOM} at random, of 3,212 distinct samples",
    )
    batch = make.label_batch(
        *_labels(number),
        id=f"cycle-{number}",
        cycle=number,
        alpha=0.61,
        alpha_n=28,
        annotations=118,
        reason=f"{BATCH + SEALED} labels from 118 answers of 4 people",
    )
    version = make.dataset_version(
        f"c{number}",
        id=kept[number].version.id,
        file=kept[number].version.file,
        parts=kept[number].version.parts,
        cycle=number,
        parent=kept[number - 1].version.id,
        rows=8_000 + BATCH * number,
        added=BATCH,
        relabelled=0,
        method="dawid-skene.v1",
        selection=chosen.id,
        cut_at=at + timedelta(seconds=60),
        by_class={"negative": 3_371 + 15 * number, "neutral": 1_204 + 12 * number, "positive": 3_425 + 13 * number},
        reason=f"{BATCH} labels of cycle {number} added to c{number - 1}",
    )
    model = _model(new, cycle=number, dataset=version, at=at + timedelta(seconds=66))
    verdict = _verdict(number, old=old, new=new)
    done = make.rollout(
        id=f"cycle-{number}",
        cycle=number,
        challenger=new,
        incumbent=old,
        state="promoted",
        step=2,
        since=at + timedelta(seconds=94),
        evidence={"canary_answers": 300.0, "failures": 0.0, "log_e": -0.42},
        reason="300 canary answers without a failure; the guard stayed below its threshold",
    )
    split = make.split(number + 1, incumbent=new, keep=(old,))
    steps: tuple[tuple[str, str, str, tuple[Stored, ...], tuple[str, ...], int], ...] = (
        ("open", "OpenCycle", "cycle.opened", (cycle,), (), 0),
        ("select", "Select", "cycle.selected", (chosen,), (name, f"model:{old}"), 2),
        ("aggregate", "Aggregate", "batch.labelled", (batch,), (f"selection:cycle-{number}", "annotator:ana"), 58),
        ("cut", "CutDataset", "dataset.cut", (version,), (f"dataset:c{number - 1}", f"labels:cycle-{number}"), 60),
        ("train", "StartTraining", "training.started", (_spec(number, version),), (f"dataset:c{number}",), 61),
        ("collect", "CollectModel", "training.finished", (model,), (f"run:run-{number}", f"dataset:c{number}"), 66),
        ("judge", "Judge", "evaluation.passed", (verdict,), (f"model:{new}", f"model:{old}"), 68),
        ("promote", "Advance", "rollout.promoted", (done, split), (f"model:{new}", f"verdict:cycle-{number}"), 94),
    )
    for step, kind, event, records, used, seconds in steps:
        said = getattr(records[0], "reason", "") or SAID[step].format(new=new, data=version.name, number=number)
        moment = at + timedelta(seconds=seconds)
        _commit(ledger, moment, f"{act}/{step}", kind, (event, said), records=records, used=used, cycle=number)


def _open_cycle(ledger: Ledger, number: int, at: datetime) -> None:
    """One turn that waits for people."""
    act = f"sentiment/cycle/{number}"
    opened = make.cycle(
        number,
        phase="published",
        opened_at=at,
        after=8_000,
        until=12_000,
        budget=BATCH,
        reason="margin moved on v3, and 4,000 predictions are new",
    )
    raised = make.signal(
        "sentiment/v3/margin/9400",
        version=VersionName("v3"),
        signal="margin",
        severity=0.41,
        raised_at=at,
        position=9_400,
        e_value=11.2,
        threshold=9.8,
        reference_mean=0.62,
        latest_mean=0.55,
        reason="margin of v3 fell from 0.62 to 0.55 between 800 reference and 200 latest predictions",
    )
    cleared = make.signal(
        "sentiment/v1/top-probability/2600",
        state="cleared",
        severity=0.55,
        raised_at=at - timedelta(minutes=6),
        cleared_at=at - timedelta(minutes=4),
        reason="top-probability of v1 fell from 0.75 to 0.70",
    )
    detector = make.measurement(
        id="sentiment/v3/margin",
        version=VersionName("v3"),
        signal="margin",
        position=12_000,
        reference=bell(0.62),
        latest=bell(0.55),
        clean=(),
        evidence=(),
        e_value=11.2,
        threshold=9.8,
        distance=0.11,
        ticks=14,
        quiet=0,
    )
    pace = make.cadence(
        interval_seconds=60.0,
        budget=BATCH,
        explore=0.16,
        severity=0.41,
        since=at,
        reason="every 60 s because margin of v3 drifts with severity 0.41",
    )
    paused = make.standing(
        "eli",
        state="paused",
        gold_seen=14,
        gold_right=7,
        accuracy=0.52,
        below_norm=0.991,
        reason="7 of 14 gold tasks right; below 0.8 with probability 0.991",
    )
    standings = tuple(make.standing(name, gold_seen=12, gold_right=11, accuracy=0.86) for name in PEOPLE)
    chosen = make.selection(
        *_candidates(number),
        id=f"cycle-{number}",
        cycle=number,
        model=VersionName("v3"),
        after=8_000,
        until=12_000,
        pool_rows=3_990,
        pool_distinct=3_105,
        **DRAWN,
        reason=f"{BATCH - RANDOM} by small margin, {RANDOM} at random, of 3,105",
    )
    signals, opening = ("signal.raised", raised.reason), ("cycle.opened", opened.reason)
    _commit(ledger, at, f"{act}/signal", "Measure", signals, records=(raised, cleared, detector, pace), cycle=number)
    _commit(ledger, at, f"{act}/open", "OpenCycle", opening, records=(opened,), used=(f"signal:{raised.id}",))
    used = (f"cycle:cycle-{number}", "model:v3")
    _commit(
        ledger,
        at,
        f"{act}/select",
        "Select",
        ("cycle.selected", chosen.reason),
        records=(chosen,),
        used=used,
        cycle=number,
    )
    text = f"{BATCH - RANDOM} chosen, {RANDOM} audit, {SEALED} reserve tasks published"
    made = (opened, paused, *standings)
    told = ("batch.published", text)
    _commit(ledger, at, f"{act}/publish", "Publish", told, records=made, tasks=_tasks(number), cycle=number)


def _spec(number: int, version: DatasetVersion) -> Stored:
    return make.run_spec(f"run-{number}", cycle=number, dataset=version.id)


def _model(name: str, *, cycle: int, dataset: DatasetVersion, at: datetime) -> ModelVersion:
    return make.model_version(
        name,
        cycle=cycle,
        dataset=dataset.id,
        run=RunId(f"run-{cycle}"),
        code=make.digest(b"train.py"),
        at=at,
        metrics={"train_accuracy": 0.934, "seconds": 4.21},
        conversion="converted to ONNX: largest difference 3.1e-07, 0 of 1,200 labels differ",
    )


def _verdict(number: int, *, old: VersionName, new: VersionName) -> Verdict:
    was, became, anchor_was, anchor_became = ACCURACY[number - 1]
    parts = (("fresh", 130 * number, was, became), ("anchor", 1_000, anchor_was, anchor_became))
    comparisons = tuple(
        Comparison(
            part=part,
            n=n,
            incumbent=before,
            challenger=after,
            difference=after - before,
            lower=after - before - 0.024,
            upper=after - before + 0.051,
            power=0.71 if part == "fresh" else 0.97,
            outcome="pass",
            reason=f"the lower bound lies above -0.025 on {n} rows",
        )
        for part, n, before, after in parts
    )
    return make.verdict(
        id=f"cycle-{number}",
        cycle=number,
        challenger=new,
        incumbent=old,
        margin=0.025,
        decision=number,
        alpha=0.05 * 6 / (9.87 * number**2),
        comparisons=comparisons,
        reason=f"{new} is no worse than {old} on fresh and anchor rows; it passes",
    )


def _candidates(number: int) -> tuple[Candidate, ...]:
    rows = [i % len(SENTENCES) for i in range((number - 1) * BATCH, number * BATCH)]
    return tuple(
        make.candidate(
            f"p{row}",
            SENTENCES[row][0],
            draw="audit" if place >= BATCH - RANDOM else "chosen",
            order=place,
            score=score(place),
            probability=0.0125 if place >= BATCH - RANDOM else 0.31,
            multiplicity=1 + row % 4,
            predicted=said(row, place),
            position=row + 1,
        )
        for place, row in enumerate(rows)
    )


def _labels(number: int) -> tuple[Label, ...]:
    drawn = [
        make.label(
            c.prediction,
            SENTENCES[row_of(c)][0],
            cycle=number,
            stratum=c.draw,
            label=SENTENCES[row_of(c)][1],
            annotators=PEOPLE[: 1 + c.order % 3],
        )
        for c in _candidates(number)
    ]
    sealed = [
        make.label(
            f"r{number}-{i}",
            f"sealed: {SENTENCES[i][0]}",
            cycle=number,
            stratum="reserve",
            label=SENTENCES[i][1],
            annotators=PEOPLE[:2],
        )
        for i in range(SEALED)
    ]
    return (*drawn, *sealed)


def _tasks(number: int) -> tuple[Task, ...]:
    drawn: list[tuple[PredictionId, str, Stratum, str]] = [
        (c.prediction, SENTENCES[row_of(c)][0], c.draw, c.predicted if c.draw == "chosen" and c.order % 5 else "")
        for c in _candidates(number)
    ]
    sealed: list[tuple[PredictionId, str, Stratum, str]] = [
        (PredictionId(f"r{number}-{i}"), f"{SENTENCES[i][0]}, again", "reserve", "") for i in range(SEALED)
    ]
    return tuple(
        make.task(
            f"t{number}-{place:03}",
            text,
            sample=sample,
            cycle=number,
            stratum=stratum,
            suggestion=suggestion,
            suggested_by=VersionName("v3" if suggestion else ""),
        )
        for place, (sample, text, stratum, suggestion) in enumerate((*drawn, *sealed))
    )
