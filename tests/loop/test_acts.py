"""Single acts of a loop in memory: what each hands to its stage."""

from collections.abc import Iterator

import pytest

from loopline.orchestrate import known
from loopline.orchestrate.acts import Made, act
from loopline.records.command import Advance, CutDataset, Judge, Measure, Select, key_of
from loopline.records.dataset import DatasetVersion
from loopline.records.evaluation import Verdict
from loopline.records.ids import VersionName
from loopline.records.keys import entity_of
from loopline.records.label import Label
from loopline.records.rollout import Rollout
from loopline.records.segment import Pin
from loopline.records.settings import CaptureSettings, GateSettings, MonitorSettings, TrainSettings
from loopline.records.signal import Measurement, Signal
from loopline.testing.factories import (
    candidate,
    cycle,
    entry,
    label,
    label_batch,
    rollout,
    selection,
    settings,
)
from loopline.testing.scripted import ScriptedLoop
from loopline.testing.vocabulary import text_of

V1, V2 = VersionName("v1"), VersionName("v2")


@pytest.fixture
def loop() -> Iterator[ScriptedLoop]:
    """A loop whose first version has just gone live."""
    scripted = ScriptedLoop(
        settings(
            capture=CaptureSettings(reserve=0.3),
            train=TrainSettings(run="train.py:train", base="base"),
            gate=GateSettings(margin=0.05, anchor_file="anchor"),
            monitor=MonitorSettings(tick=50, reference=200),
        )
    )
    scripted.tick(8)
    yield scripted
    scripted.close()


def made(loop: ScriptedLoop, command: object) -> Made:
    found = act(loop.house, command, seen=loop.runner.situation())
    assert found is not None
    return found


def sealed(start: int, stop: int, *, number: int) -> list[Label]:
    return [label(f"r{i}", text_of(i, is_new=True), stratum="reserve", cycle=number) for i in range(start, stop)]


def judged(loop: ScriptedLoop) -> Verdict:
    command = Judge(id=key_of("judge"), cycle=cycle(2), challenger=V1, incumbent=V1, decision=1, reason="")
    (verdict,) = [record for record in made(loop, command).records if isinstance(record, Verdict)]
    return verdict


def test_the_gate_judges_on_the_reserve_labels_of_all_cycles_and_on_the_anchor(loop: ScriptedLoop) -> None:
    batches = [label_batch(*sealed(40 * n, 40 * n + 40, number=n), cycle=n, id=f"cycle-{n}") for n in (1, 2)]
    loop.ledger.commit(entry("labels", *batches))
    verdict = judged(loop)
    assert [(one.part, one.n) for one in verdict.comparisons] == [("fresh", 80), ("anchor", 120)]
    assert verdict.leaks == 0


def test_a_reserve_row_that_the_challenger_was_trained_on_fails_the_verdict(loop: ScriptedLoop) -> None:
    learned = label("r1", text_of(0, is_new=False), label="negative", stratum="reserve")
    loop.ledger.commit(entry("labels", label_batch(learned, *sealed(0, 40, number=1))))
    verdict = judged(loop)
    assert (verdict.outcome, verdict.leaks) == ("fail", 1)


def test_a_dataset_holds_the_labels_of_a_cycle_that_failed_before_its_cut(loop: ScriptedLoop) -> None:
    left = label_batch(label("p1", "left over", cycle=1), cycle=1, id="cycle-1")
    mine = label_batch(label("p2", "my own", cycle=2), cycle=2, id="cycle-2")
    loop.ledger.commit(entry("labels", left, mine, selection(id="cycle-2", cycle=2)))
    command = CutDataset(id=key_of("cut"), cycle=cycle(2), reason="")
    (version,) = [record for record in made(loop, command).records if isinstance(record, DatasetVersion)]
    assert (version.name, version.added) == ("c2", 2)
    assert {left.labels[0].content, mine.labels[0].content} <= known.learned(loop.house, version)


def test_nobody_is_asked_about_what_was_learned_selected_or_labelled_before(loop: ScriptedLoop) -> None:
    chosen, told = candidate("p1", "chosen before"), label("r1", "sealed before", stratum="reserve")
    loop.ledger.commit(entry("before", selection(chosen), label_batch(told)))
    learned = label("b0", text_of(0, is_new=False)).content
    assert {chosen.content, told.content, learned} <= known.asked(loop.house, before=9)
    assert {told.content, learned} <= known.answered(loop.house, before=9)
    assert chosen.content not in known.answered(loop.house, before=9)


def test_a_rollout_counts_from_where_the_log_ends_when_it_starts(loop: ScriptedLoop) -> None:
    loop.send([text_of(i, is_new=False) for i in range(1_000, 1_040)])
    loop.ledger.commit(entry("opened", cycle(1, phase="judged", until=10)))
    command = Advance(id=key_of("start"), cycle=cycle(1, phase="judged", until=10), challenger=V2, reason="")
    (started,) = [record for record in made(loop, command).records if isinstance(record, Rollout)]
    assert (started.state, started.since_position) == ("shadow", 40)


def test_a_versions_reference_begins_where_it_was_promoted(loop: ScriptedLoop) -> None:
    shadow = rollout(id="cycle-9", state="shadow", challenger="v1", since_position=190)
    promoted = rollout(id="cycle-1", state="promoted", challenger="v1", since_position=130)
    loop.ledger.commit(entry("rollouts", promoted, shadow))
    assert known.live_since(loop.house, V1) == 130
    assert known.live_since(loop.house, V2) == 0
    loop.send([text_of(i, is_new=False) for i in range(1_000, 1_300)])
    command = Measure(id=key_of("measure"), version=V1, until=300, reason="")
    states = [record for record in made(loop, command).records if isinstance(record, Measurement)]
    assert {state.reference_n for state in states} == {150}


def test_a_signal_that_is_raised_is_not_raised_again_at_each_tick(loop: ScriptedLoop) -> None:
    loop.send([text_of(i, is_new=False) for i in range(10_000, 10_300)])
    for start in range(0, 600, 100):
        loop.send([text_of(i, is_new=True) for i in range(start, start + 100)])
        loop.tick(2)
    signals = [signal.signal for signal in loop.ledger.all(Signal, loop.house.settings.name)]
    assert signals
    assert len(signals) == len(set(signals))


def test_what_a_selection_was_made_from_is_held_for_as_long_as_it_can_be_replayed(loop: ScriptedLoop) -> None:
    loop.send([text_of(i, is_new=True) for i in range(120)])
    opened = cycle(3, after=20, until=loop.log.end())
    found = made(loop, Select(id=key_of("select"), cycle=opened, model=V1, reason=""))
    (pin,) = loop.house.manifest.pins(loop.house.settings.name)
    assert pin == Pin(holder=entity_of(found.records[0]), after=20, until=loop.log.end())


def test_an_anchor_row_that_an_older_loop_had_selected_stops_no_cycle(loop: ScriptedLoop) -> None:
    shared, *others = sorted(known.anchored(loop.house))
    loop.ledger.state.roles.clear()  # as in a state from before roles were kept
    loop.ledger.commit(entry("before", selection(candidate("p1", content=shared))))
    loop.send([text_of(i, is_new=True) for i in range(120)])
    opened = cycle(3, after=20, until=loop.log.end())
    found = made(loop, Select(id=key_of("select"), cycle=opened, model=V1, reason=""))
    assert loop.ledger.commit(entry("select", *found.records, seal=found.seal))
    assert loop.house.roles.reserved(loop.house.settings.name) == frozenset(others)
