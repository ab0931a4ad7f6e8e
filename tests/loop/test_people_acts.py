"""What people do by name, in a whole loop: recalling, settling, pausing, and what becomes of the labels."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec import structs

from loopline.annotate import stage as annotate
from loopline.apps.recomputing import recompute
from loopline.apps.withdrawing import take_back
from loopline.dataset import stage as dataset
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.orchestrate import findings, known
from loopline.orchestrate.awaited import awaited
from loopline.orchestrate.lineage import orphans
from loopline.orchestrate.people import (
    adjudicate,
    affected,
    doubts,
    joining,
    recall,
    set_standing,
)
from loopline.records.dataset import DatasetVersion
from loopline.records.decision import Decision, Finding
from loopline.records.guideline import Remark
from loopline.records.label import Label, LabelBatch
from loopline.records.settings import (
    AnnotateSettings,
    CadenceSettings,
    CaptureSettings,
    GateSettings,
    MonitorSettings,
    RolloutSettings,
    SelectSettings,
    Settings,
    TrainSettings,
)
from loopline.records.task import Annotation, Claim, Standing, Task
from loopline.testing.factories import SIGNATURE, entry, settings
from loopline.testing.scripted import ScriptedLoop
from loopline.testing.vocabulary import text_of, truth_of

GOOD = {"ana": 1.0, "bo": 1.0}


def rules(**changes: object) -> Settings:
    return settings(
        capture=CaptureSettings(reserve=0.3),
        select=SelectSettings(every_seconds=60, volume=2_000, budget=20, explore=0.1),
        annotate=AnnotateSettings(gold=0.1, gold_file="gold", **changes),  # type: ignore[arg-type]
        train=TrainSettings(run="train.py:train", base="base"),
        gate=GateSettings(margin=0.05, anchor_file="anchor"),
        rollout=RolloutSettings(shadow=30, canary=(20, 100), step_predictions=20),
        monitor=MonitorSettings(tick=50, reference=200),
        cadence=CadenceSettings(min_seconds=5, budget_max=20, explore_max=0.1),
    )


class Desk:
    """A scripted loop, driven from one phase of a cycle to another."""

    def __init__(self, **changes: object) -> None:
        self.loop = ScriptedLoop(rules(**changes))
        self.house, self.ledger, self.name = self.loop.house, self.loop.ledger, self.loop.house.settings.name
        self.sent = 600
        self.loop.tick(8)
        self.loop.send([text_of(i, is_new=False) for i in range(10_000, 10_300)])
        self.loop.tick(2)
        self.loop.send([text_of(i, is_new=True) for i in range(600)])
        self.loop.tick(3)

    def until(self, number: int, *phases: str, people: dict[str, float] | None = None) -> "Desk":
        """Traffic flows and people answer until cycle ``number`` has reached one of these phases."""
        for _ in range(300):
            cycles = self.loop.cycles()
            if len(cycles) > number and cycles[number].phase in phases:
                return self
            self.loop.send([text_of(i, is_new=True) for i in range(self.sent, self.sent + 12)])
            self.sent += 12
            self.loop.answer(GOOD if people is None else people)
            self.loop.tick()
        raise AssertionError(f"the cycle stands at {self.loop.cycles()[-1]}")

    def batch(self, number: int) -> LabelBatch:
        return self.ledger.get(LabelBatch, f"cycle-{number}", loop=self.name)

    def tasks(self, number: int) -> tuple[Task, ...]:
        return self.house.book.answers(self.name, cycle=number).tasks

    def find(self, number: int, *, stratum: str = "chosen") -> Task:
        said = {label.content for label in self.batch(number).labels}
        return next(task for task in self.tasks(number) if task.stratum == stratum and task.content in said)

    def decide(self, task: Task, finding: Finding = "label", label: str = "", **changes: object) -> bool:
        one = Decision(
            loop=self.name, task=task.id, content=task.content, cycle=task.cycle, at=self.house.clock.now(),
            adjudicator="lea", finding=finding, label=label, reason="the example of version 2", answers=(),
        )  # fmt: skip
        return adjudicate(self.house, structs.replace(one, **changes))

    def take_back(self, task: Task) -> bool:
        found = next(one for one in self.ledger.all(Decision, self.name) if one.task == task.id)
        return take_back(self.house, found, by="lea", reason="too soon")

    def learned(self, content: str) -> dict[str, object] | None:
        """The row of the newest version that holds this content."""
        newest = self.ledger.all(DatasetVersion, self.name)[-1]
        rows = dataset.rows_of(newest, objects=self.loop.objects).to_pylist()
        return next((row for row in rows if row["content"] == content), None)

    def label(self, number: int, content: str) -> Label | None:
        return next((one for one in self.batch(number).labels if one.content == content), None)

    def told(self) -> list[str]:
        return [event.type for event in self.ledger.events(self.name, newest=500)]


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.loop.close()


def other(label: str) -> str:
    return next(one for one in SIGNATURE.labels if one != label)


@pytest.fixture
def guessed() -> Iterator[Desk]:
    """A first cycle that eve alone answered, mostly wrong, and was not found out."""
    made = Desk(norm=0.01)
    yield made.until(1, "closed", people={"eve": 0.3})
    made.loop.close()


def test_what_rests_on_one_person_is_found_with_all_that_learned_it(guessed: Desk) -> None:
    found = affected(guessed.house, "eve")
    assert {one.content for one in found.samples} == {one.content for one in guessed.batch(1).labels}
    assert {one.without for one in found.samples} == {""}
    assert (found.batches, found.datasets, found.models) == (("cycle-1",), ("c1",), ("v2",))
    assert affected(guessed.house, "ana") == ((), (), (), ())


def test_what_is_recalled_is_asked_again_once_and_at_once(guessed: Desk) -> None:
    house, samples = guessed.house, affected(guessed.house, "eve").samples
    assert recall(house, "eve", by="lea", reason="she guessed") == len(samples)
    assert recall(house, "eve", by="lea", reason="she guessed") == 0
    again = guessed.tasks(joining(house))
    assert {task.content for task in again} == {one.content for one in samples}
    assert {(task.stratum, task.suggestion) for task in again} == {("relabel", "")}
    wish = Claim(annotator="ana", count=3, strata=frozenset(), seconds=60)
    now = house.clock.now()
    assert annotate.claim(wish, queue=house.queue, book=house.book, settings=house.settings, now=now)
    assert guessed.told().count("annotator.recalled") == 1


def test_what_is_asked_again_is_learned_anew_and_what_judges_judges_on(guessed: Desk) -> None:
    samples = affected(guessed.house, "eve").samples
    judged = {one.content for one in samples if one.stratum == "reserve"}
    trained = {one.content for one in samples} - judged
    recall(guessed.house, "eve", by="lea", reason="she guessed")
    set_standing(guessed.house, "eve", state="paused", by="lea", reason="she guessed")
    guessed.until(2, "trained", "judged", "rolling", "closed")
    labels = {one.content: one for one in guessed.batch(2).labels if one.content in judged | trained}
    assert {content: one.stratum for content, one in labels.items()} == (
        dict.fromkeys(judged, "reserve") | dict.fromkeys(trained, "relabel")
    )
    assert all(one.label == truth_of(str(SIGNATURE.decode(one.inputs))) for one in labels.values())
    rows = {content: guessed.learned(content) for content in trained}
    assert {(row["cycle"], row["stratum"]) for row in rows.values() if row} == {(2, "relabel")}
    assert all(row and row["label"] == labels[content].label for content, row in rows.items())
    assert not judged & known.learned(guessed.house, guessed.ledger.all(DatasetVersion, guessed.name)[-1])
    assert {one.cycle for one in known.fresh(guessed.house) if one.content in judged} == {2}
    assert affected(guessed.house, "eve").samples == ()
    assert not orphans((), guessed.ledger.activities(guessed.name))


def test_what_was_asked_again_in_a_cycle_that_failed_is_asked_in_the_next(desk: Desk) -> None:
    desk.until(1, "closed", people={"eve": 0.9})
    samples = {one.content for one in affected(desk.house, "eve").samples}
    recall(desk.house, "eve", by="lea", reason="a second look")
    desk.until(2, "open", "selected", "published", people={})
    failed = structs.replace(desk.loop.cycles()[2], phase="closed", outcome="failed", closed_at=desk.house.clock.now())
    desk.ledger.commit(entry("it failed", failed))
    desk.until(3, "published", people={})
    assert samples <= {task.content for task in desk.tasks(3) if task.stratum == "relabel"}
    assert recall(desk.house, "eve", by="lea", reason="a third look") == 0


def test_nobody_waits_for_people_who_know_the_sample_already(desk: Desk) -> None:
    desk.until(1, "closed", people={"ana": 1.0})
    assert recall(desk.house, "ana", by="lea", reason="a look") > 0
    batch = desk.until(2, "labelled", "cut", "training", "closed", people={"ana": 1.0}).batch(2)
    assert {one.stratum for one in batch.labels} == {"chosen", "audit", "reserve"}
    assert "tasks without an answer (" in batch.reason


def test_a_decision_before_the_labels_is_the_label_and_afterwards_the_next_batch_has_it(desk: Desk) -> None:
    desk.until(1, "published", people={})
    task = next(task for task in desk.tasks(1) if task.stratum == "chosen")
    truth = truth_of(str(SIGNATURE.decode(task.inputs)))
    assert desk.decide(task, label=other(truth))
    assert not desk.decide(task, label=other(truth), at=desk.house.clock.now() + timedelta(seconds=1))
    desk.until(1, "closed")
    settled = desk.label(1, task.content)
    assert settled is not None
    assert (settled.label, settled.decided_by) == (other(truth), "lea")
    assert desk.decide(task, label=truth)
    desk.until(2, "trained", "judged", "rolling", "closed")
    now, row = desk.label(2, task.content), desk.learned(task.content)
    assert now is not None
    assert row is not None
    assert (now.label, now.stratum, row["label"]) == (truth, "relabel", truth)
    assert "1 label of earlier cycles changed by decisions" in desk.batch(2).reason
    desk.until(3, "trained", "judged", "rolling", "closed")
    assert desk.label(3, task.content) is None
    assert {one.is_same for one in recompute(desk.house)} == {True}
    assert recompute(desk.house, cycle=2, method="majority.v1")[0].method == "majority.v1"


def test_what_the_guideline_does_not_say_opens_a_thread_and_leaves_the_dataset(desk: Desk) -> None:
    desk.until(1, "closed")
    task = desk.find(1)
    assert desk.learned(task.content)
    assert desk.decide(task, "guideline gap")
    (thread,) = desk.ledger.all(Remark, desk.name)
    assert (thread.kind, thread.thread, thread.task, thread.author) == ("gap", thread.id, task.id, "lea")
    desk.until(2, "trained", "judged", "rolling", "closed")
    assert desk.learned(task.content) is None
    newest = desk.ledger.all(DatasetVersion, desk.name)[-1]
    assert "1 taken out because an adjudicator found that no one label is right" in newest.reason
    assert desk.decide(task, label="neutral")
    desk.until(3, "trained", "judged", "rolling", "closed")
    row = desk.learned(task.content)
    assert row is not None
    assert row["label"] == "neutral"


def test_a_decision_that_is_taken_back_leaves_the_sample_to_people_again(desk: Desk) -> None:
    desk.until(1, "published", people={})
    task = next(task for task in desk.tasks(1) if task.stratum == "chosen")
    truth = truth_of(str(SIGNATURE.decode(task.inputs)))
    desk.decide(task, label=other(truth))
    assert desk.take_back(task)
    assert not desk.take_back(task)
    assert task.id not in findings.rulings(desk.house, cycle=1).settled
    desk.loop.clock.advance(1)
    desk.decide(task, label=other(truth))
    desk.until(1, "closed", people={"ana": 1.0})
    assert desk.take_back(task)
    desk.until(2, "trained", "judged", "rolling", "closed", people={"bo": 1.0})
    now = desk.label(2, task.content)
    assert now is not None
    assert (now.label, now.stratum, now.annotators, now.decided_by) == (truth, "relabel", ("bo",), "")


def test_a_decision_can_become_gold(desk: Desk) -> None:
    desk.until(1, "closed")
    task = desk.find(1)
    before = len(findings.gold(desk.house))
    desk.decide(task, label="neutral", is_gold=True)
    added = findings.gold(desk.house)[-1]
    assert (len(findings.gold(desk.house)), added.inputs, added.label) == (before + 1, task.inputs, "neutral")


def test_what_judges_models_never_becomes_gold(desk: Desk) -> None:
    desk.until(1, "closed")
    task, before = desk.find(1, stratum="reserve"), findings.gold(desk.house)
    desk.decide(task, label="neutral", is_gold=True)
    assert findings.gold(desk.house) == before, "gold is shown to people and leaves in files"


def test_what_judges_models_judges_on_though_its_first_batch_gave_it_no_label(desk: Desk) -> None:
    desk.until(1, "published", people={})
    task = next(task for task in desk.tasks(1) if task.stratum == "reserve")
    desk.decide(task, "guideline gap")
    desk.until(1, "closed")
    assert desk.label(1, task.content) is None
    assert desk.take_back(task)
    desk.until(2, "trained", "judged", "rolling", "closed")
    now = desk.label(2, task.content)
    assert now is not None
    assert now.stratum == "reserve"


def test_a_decision_that_does_not_fit_is_refused_in_words(desk: Desk) -> None:
    desk.until(1, "published", people={})
    chosen, gold = (next(t for t in desk.tasks(1) if t.stratum == kind) for kind in ("chosen", "gold"))
    with pytest.raises(InvalidRecord, match="expected one of negative, neutral, positive"):
        desk.decide(chosen, label="meh")
    with pytest.raises(InvalidRecord, match="expected none where the finding is ambiguous"):
        desk.decide(chosen, "ambiguous", label="neutral")
    with pytest.raises(Conflict, match="a task that its answers leave in doubt"):
        desk.decide(gold, label="neutral")
    with pytest.raises(NotFound, match="no task 't9'"):
        desk.decide(structs.replace(chosen, id="t9"), label="neutral")


def test_who_is_let_back_in_begins_anew(desk: Desk) -> None:
    desk.until(1, "published", people={})
    assert not set_standing(desk.house, "ana", state="active", by="lea", reason="why not")
    assert set_standing(desk.house, "ana", state="paused", by="lea", reason="on leave")
    assert not set_standing(desk.house, "ana", state="paused", by="lea", reason="on leave")
    assert desk.loop.answer({"ana": 1.0}) == 0
    desk.loop.tick(1)
    assert set_standing(desk.house, "ana", state="active", by="lea", reason="back")
    (now,) = [s for s in desk.ledger.all(Standing, desk.name) if s.annotator == "ana"]
    assert (now.state, now.since, now.reason) == ("active", desk.house.clock.now(), "let back in by lea: back")
    assert desk.loop.answer({"ana": 1.0}) > 0
    assert set_standing(desk.house, "ana", state="paused", by="lea", reason="on leave")
    told = desk.told()
    assert (told.count("annotator.paused"), told.count("annotator.resumed")) == (2, 1)


def test_a_batch_waits_for_the_adjudicator_and_says_so() -> None:
    desk = Desk(adjudicate=True, overlap_min=3, overlap_max=3, reserve_min=1, reserve_max=1, norm=0.01)
    desk.until(1, "published", people={})
    people = {"ana": 0.6, "bo": 0.6, "cy": 0.6}
    for _ in range(60):
        desk.loop.answer(people)
        desk.loop.tick()
    house = desk.house
    left = doubts(house, cycle=1)
    assert left
    assert desk.loop.cycles()[1].phase == "published"
    assert "an adjudicator: " in awaited(desk.loop.runner.situation(), house.clock.now())
    for doubt in left:
        desk.decide(doubt.task, label="neutral", answers=tuple(one.id for one in doubt.annotations))
    desk.loop.tick(2)
    assert desk.loop.cycles()[1].phase != "published"
    assert f"{len(left)} decided by an adjudicator" in desk.batch(1).reason
    desk.loop.close()


def test_a_deadline_takes_what_there_is_and_says_what_is_missing() -> None:
    desk = Desk(deadline_seconds=30.0)
    desk.until(1, "published", people={})
    task = next(task for task in desk.tasks(1) if task.stratum == "chosen")
    one = Annotation(id="only", task=task.id, annotator="ana", label="neutral", at=desk.house.clock.now(), seconds=1.0)
    desk.house.queue.submit([one], loop=desk.name)
    desk.until(1, "labelled", "cut", "training", "trained", "judged", "rolling", "closed", people={})
    asked = [task for task in desk.tasks(1) if task.stratum != "gold"]
    assert f"{len(asked) - 1} of {len(asked)} tasks without an answer (" in desk.batch(1).reason
    assert len(desk.batch(1).labels) == 1
    desk.loop.close()
