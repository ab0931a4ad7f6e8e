"""The whole loop in memory, seeded and moved by hand: every room, every hop, no clock and no process."""

from collections.abc import Iterator, Sequence

import msgspec
import pytest
from msgspec import structs

from loopline.dataset import stage as dataset
from loopline.errors import NotFound
from loopline.orchestrate import known
from loopline.orchestrate.acts import act
from loopline.orchestrate.awaited import awaited
from loopline.orchestrate.lineage import entities, orphans, why
from loopline.orchestrate.selecting import imagined, replayed
from loopline.records.command import CloseCycle, CutDataset, key_of
from loopline.records.dataset import DatasetVersion
from loopline.records.ids import VersionName
from loopline.records.label import LabelBatch
from loopline.records.lineage import Activity
from loopline.records.model import ModelVersion
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.selection import Selection
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
from loopline.records.signal import Signal
from loopline.records.task import Standing
from loopline.testing.factories import SIGNATURE, cycle, digest, entry, label, label_batch, selection, settings
from loopline.testing.scripted import ScriptedLoop
from loopline.testing.vocabulary import text_of

PEOPLE = {"ana": 0.95, "bo": 0.95, "chidi": 0.95, "dora": 0.4}


def small() -> Settings:
    return settings(
        capture=CaptureSettings(reserve=0.3),
        select=SelectSettings(every_seconds=60, volume=2_000, budget=30, explore=0.1),
        annotate=AnnotateSettings(gold=0.1, gold_file="gold", norm=0.8),
        train=TrainSettings(run="train.py:train", base="base"),
        gate=GateSettings(margin=0.05, anchor_file="anchor"),
        rollout=RolloutSettings(shadow=30, canary=(20, 100), step_predictions=20),
        monitor=MonitorSettings(tick=50, reference=200),
        cadence=CadenceSettings(min_seconds=5, budget_max=30, explore_max=0.1),
    )


@pytest.fixture
def loop() -> Iterator[ScriptedLoop]:
    scripted = ScriptedLoop(small())
    yield scripted
    scripted.close()


@pytest.fixture(scope="module")
def once() -> Iterator[ScriptedLoop]:
    """A loop after one whole turn, to be looked at only."""
    scripted = ScriptedLoop(small())
    yield turned(scripted)
    scripted.close()


def learned(loop: ScriptedLoop) -> set[str]:
    """Contents of the rows of every dataset version."""
    versions = loop.ledger.all(DatasetVersion, loop.house.settings.name)
    found = [dataset.rows_of(version, objects=loop.objects)["content"].to_pylist() for version in versions]
    return {content for contents in found for content in contents}


def anchor(loop: ScriptedLoop) -> set[str]:
    """Contents of the anchor's rows."""
    return {digest(row.inputs) for row in loop.house.anchor()}


def live(loop: ScriptedLoop) -> ScriptedLoop:
    loop.tick(8)
    return loop


def drifted(loop: ScriptedLoop) -> ScriptedLoop:
    """Old traffic fills the reference, then the world moves."""
    live(loop)
    loop.send([text_of(i, is_new=False) for i in range(10_000, 10_300)])
    loop.tick(2)
    loop.send([text_of(i, is_new=True) for i in range(600)])
    loop.tick(3)
    return loop


def turned(loop: ScriptedLoop, *, cycles: int = 1, also: Sequence[str] = ()) -> ScriptedLoop:
    """People answer and traffic, ``also`` these texts once, flows until so many cycles after the base have closed."""
    drifted(loop).send(also)
    sent = 600
    for _ in range(120 * cycles):
        if len(loop.cycles()) > cycles and loop.cycles()[cycles].phase == "closed":
            return loop
        loop.send([text_of(i, is_new=True) for i in range(sent, sent + 12)])
        sent += 12
        loop.answer(PEOPLE)
        loop.tick()
    raise AssertionError(f"the cycle stands at {loop.cycles()[-1]}")


def test_the_first_version_is_trained_from_the_base_set_and_goes_live(loop: ScriptedLoop) -> None:
    live(loop)
    (split,) = loop.ledger.all(TrafficSplit, loop.house.settings.name)
    assert split.incumbent == "v1"
    assert loop.cycles()[0].outcome == "promoted"
    assert awaited(loop.runner.situation(), loop.clock.now()).startswith("the next cycle opens in")


def test_drift_raises_a_signal_and_opens_a_cycle_before_its_time(loop: ScriptedLoop) -> None:
    drifted(loop)
    raised = loop.ledger.all(Signal, loop.house.settings.name)
    assert {signal.signal for signal in raised} >= {"top-probability", "margin"}
    loop.tick(30)
    assert len(loop.cycles()) == 2
    assert "cycle every" in loop.cycles()[1].reason


def test_a_whole_turn_ends_with_a_better_version_on_all_traffic(once: ScriptedLoop) -> None:
    name = once.house.settings.name
    ended = once.cycles()[1]
    assert (ended.outcome, ended.number) == ("promoted", 1), ended.outcome_reason
    split = max(once.ledger.all(TrafficSplit, name), key=lambda s: s.revision)
    assert split == TrafficSplit(
        loop=name, revision=split.revision, incumbent=VersionName("v2"), keep=(VersionName("v1"),)
    )
    (selection,) = once.ledger.all(Selection, name)
    assert 0 < len(selection.candidates) <= 30
    assert all(0 < candidate.probability <= 1 for candidate in selection.candidates)


def test_the_careless_person_is_found_out_by_gold(once: ScriptedLoop) -> None:
    paused = {s.annotator for s in once.ledger.all(Standing, once.house.settings.name) if s.state == "paused"}
    assert paused == {"dora"}


def test_no_reserve_row_is_ever_chosen_or_learned(once: ScriptedLoop) -> None:
    name = once.house.settings.name
    sealed = {row.content for row in once.log.sealed(after=0, until=once.log.end())}
    assert sealed
    chosen = {candidate.content for s in once.ledger.all(Selection, name) for candidate in s.candidates}
    judged = {
        label.content for b in once.ledger.all(LabelBatch, name) for label in b.labels if label.stratum == "reserve"
    }
    assert not sealed & chosen
    assert not sealed & learned(once)
    assert judged
    assert judged <= sealed


@pytest.fixture
def curious() -> Iterator[ScriptedLoop]:
    """A loop that draws nearly all that it asks about by chance."""
    select, cadence = structs.replace(small().select, explore=0.9), structs.replace(small().cadence, explore_max=0.9)
    scripted = ScriptedLoop(structs.replace(small(), select=select, cadence=cadence))
    yield scripted
    scripted.close()


@pytest.mark.slow
def test_live_requests_that_equal_anchor_rows_do_not_stop_every_later_challenger(curious: ScriptedLoop) -> None:
    texts = [str(SIGNATURE.decode(row.inputs)) for row in curious.house.anchor()]
    turned(curious, cycles=2, also=texts)
    selections = curious.ledger.all(Selection, curious.house.settings.name)
    assert set(curious.log.rows(after=0, until=curious.log.end()).content) & anchor(curious)
    assert [cycle.outcome_reason for cycle in curious.cycles()[:3] if cycle.outcome != "promoted"] == []
    assert not anchor(curious) & {candidate.content for s in selections for candidate in s.candidates}
    assert not anchor(curious) & learned(curious)


def test_a_loop_that_learned_an_anchor_row_is_rid_of_it_with_the_next_cut(loop: ScriptedLoop) -> None:
    live(loop)
    first, second = (str(SIGNATURE.decode(row.inputs)) for row in loop.house.anchor()[:2])
    asked = selection(), label_batch(label("p1", first), label("p2", "new"))
    poisoned = dataset.cut(
        cycle(1), parent=known.parent(loop.house, cycle(1)), batch=asked[1], selection=asked[0],
        objects=loop.objects, settings=loop.house.settings, now=loop.clock.now(),
    ).version  # fmt: skip
    again = selection(id="cycle-2", cycle=2), label_batch(label("p3", second), id="cycle-2", cycle=2)
    loop.ledger.commit(entry("asked", *asked, poisoned, *again))
    assert anchor(loop) & learned(loop)
    command = CutDataset(id=key_of(cycle(2).id, "cut"), cycle=cycle(2), reason="labelled")
    made = act(loop.house, command, seen=loop.runner.situation())
    assert made is not None
    (version,) = (record for record in made.records if isinstance(record, DatasetVersion))
    assert not anchor(loop) & known.learned(loop.house, version)
    assert (version.rows, version.reason) == (
        poisoned.rows - 1,
        "c2 = c1 + 0 new rows, 1 left out because the reserve holds the same or nearly the same input, "
        "1 taken out because the reserve holds the same or nearly the same input",
    )


def test_lineage_walks_from_the_live_version_back_to_the_base_set_and_the_people(once: ScriptedLoop) -> None:
    activities: tuple[Activity, ...] = once.ledger.activities(once.house.settings.name)
    behind = entities(why("model:v2", activities))
    assert {"dataset:c0", "dataset:c1", "labels:cycle-1", "tasks:cycle-1", "annotator:ana"} <= behind
    assert any(entity.startswith("signal:") for entity in behind)
    models = [f"model:{m.name}" for m in once.ledger.all(ModelVersion, once.house.settings.name)]
    assert orphans(models, activities) == ()


def test_a_trainer_that_crashes_ends_the_cycle_and_the_incumbent_keeps_serving(loop: ScriptedLoop) -> None:
    live(loop)
    loop.fate = "exit code 1: ZeroDivisionError"
    turned(loop)
    ended = loop.cycles()[1]
    assert ended.outcome == "failed"
    assert ended.outcome_reason == "training failed: exit code 1: ZeroDivisionError"
    before = loop.sent
    loop.send(["w1 bright w2"])
    assert loop.log.find(f"r{before + 1:06d}").model == "v1"


def test_ticking_when_nothing_is_due_changes_nothing(loop: ScriptedLoop) -> None:
    live(loop)
    before = loop.ledger.activities(loop.house.settings.name)
    assert loop.tick(5) == []
    assert loop.ledger.activities(loop.house.settings.name) == before


def on_trial(loop: ScriptedLoop) -> ScriptedLoop:
    """The challenger answers its first share of live traffic."""
    drifted(loop)
    for sent in range(600, 2_400, 12):
        rollouts = loop.ledger.all(Rollout, loop.house.settings.name)
        if rollouts[-1].state == "canary":
            return loop
        loop.send([text_of(i, is_new=True) for i in range(sent, sent + 12)])
        loop.answer(PEOPLE)
        loop.tick()
    raise AssertionError(f"the cycle stands at {loop.cycles()[-1]}")


def test_a_cycle_that_fails_while_its_challenger_is_on_trial_takes_the_traffic_back(loop: ScriptedLoop) -> None:
    on_trial(loop)
    ended = structs.replace(loop.cycles()[1], phase="closed", outcome="failed", outcome_reason="no memory")
    command = CloseCycle(id=key_of(ended.id, "close"), cycle=ended, reason="no memory")
    made = act(loop.house, command, seen=loop.runner.situation())
    assert made is not None
    splits = [record for record in made.records if isinstance(record, TrafficSplit)]
    rollouts = [record for record in made.records if isinstance(record, Rollout)]
    assert [(s.incumbent, s.challenger, s.basis_points) for s in splits] == [("v1", None, 0)]
    assert [r.state for r in rollouts] == ["inconclusive"]


def test_labels_of_a_cycle_that_failed_before_its_cut_are_learned_by_the_next(loop: ScriptedLoop) -> None:
    live(loop)
    done, left, mine = (label_batch(cycle=n, id=f"cycle-{n}") for n in (0, 1, 3))
    loop.ledger.commit(entry("labels", done, left, mine))
    parent = known.parent(loop.house, cycle(3))
    assert [batch.cycle for batch in known.unlearned(loop.house, parent, cycle=cycle(3))] == [1, 3]


def test_a_run_whose_folder_is_gone_is_started_again(loop: ScriptedLoop) -> None:
    loop.tick(3)
    assert loop.cycles()[0].phase == "training"
    loop.launcher.forget()
    loop.tick(8)
    assert loop.cycles()[0].outcome == "promoted"


def test_a_selection_comes_out_again_byte_for_byte_after_the_loop_has_gone_on(once: ScriptedLoop) -> None:
    stored, again = replayed(once.house, 1)
    assert len(stored.candidates) > 10
    assert msgspec.json.encode(again) == msgspec.json.encode(stored)


def test_what_if_chooses_otherwise_from_the_same_pool_and_stores_nothing(once: ScriptedLoop) -> None:
    before = once.ledger.all(Selection, once.house.settings.name)
    stored, other = imagined(once.house, 1, strategy="random.v1", budget=10)
    assert (other.strategy, other.budget, other.pool_rows, other.seed) == (
        "random.v1", 10, stored.pool_rows, stored.seed,
    )  # fmt: skip
    assert len(other.candidates) <= 10 < len(stored.candidates)
    assert once.ledger.all(Selection, once.house.settings.name) == before
    with pytest.raises(NotFound, match="no selection 'cycle-9'; known: cycle-1"):
        imagined(once.house, 9)
    with pytest.raises(NotFound, match="no strategy 'best'"):
        imagined(once.house, 1, strategy="best")
