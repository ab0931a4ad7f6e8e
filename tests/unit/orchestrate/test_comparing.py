"""What a house compares, with what, and when it does not."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from loopline.adapters.memory.engine import linear
from loopline.adapters.memory.launcher import Finished, MemoryLauncher
from loopline.orchestrate.beating import FALLBACK
from loopline.orchestrate.comparing import compared, labels_after, strategy_in_use
from loopline.ports.launcher import Package
from loopline.records.model import RunResult
from loopline.testing import factories as make
from loopline.testing.rooms import rooms
from loopline.train.arms import KINDS, arm_id

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
KNOWS = {"chosen": linear({"good": [0, 0, 4], "bad": [4, 0, 0]}), "random": linear({"bad": [4, 0, 0]})}
FRESH = [make.label(f"r{n}", f"{word} {n}", stratum="reserve", label=label, cycle=2)
         for n in range(40) for word, label in (("good", "positive"), ("bad", "negative"))]  # fmt: skip
FACTS = {"labels": 24.0, "shared": 400.0, "seconds": 1.0}


def fate(spec):
    """The small runs succeed."""
    kind = str(spec.id).rsplit("/", 1)[-1]
    result = RunResult(
        engine="sklearn", artifact_file="m", checks_file="c", code=make.digest(b"c"), metrics=FACTS
    )  # fmt: skip
    return Finished(result, Package(KNOWS[kind], b"checks"))


@pytest.fixture
def house():
    """A house in which cycle 2 was selected, trained and labelled, the runs beside its own are done."""
    found = rooms(now=NOW, launcher=MemoryLauncher(fate))
    spec = make.run_spec("s/run/2/1", cycle=2, compare_after=0)
    for kind in KINDS:
        found.launcher.submit(make.run_spec(arm_id(spec.id, kind)))
    batch = make.label_batch(*FRESH, id="cycle-2", cycle=2)
    found.ledger.commit(make.entry("told", make.selection(id="cycle-2", cycle=2), spec, batch))
    return found


def test_the_comparison_of_a_cycle_is_made_from_what_is_stored(house):
    found = compared(house, make.cycle(2))
    assert found is not None
    assert (found.id, found.finding, found.strategy, found.reserve) == ("cycle-2", "better", "cluster-margin.v1", 80)
    assert (found.chosen, found.random, found.before, found.at) == (1.0, 0.5, None, NOW)
    assert [house.objects.get(arm.artifact) for arm in found.trial.arms] == [KNOWS["chosen"], KNOWS["random"]]


@pytest.mark.parametrize(("dataset", "before"), [(make.digest(b"c0"), 0.5), (None, None)])
def test_the_version_of_the_shared_rows_is_asked_too_unless_it_came_from_outside(house, dataset, before):
    artifact = house.objects.put(KNOWS["random"])
    house.ledger.commit(make.entry("v1", make.model_version("v1", cycle=0, dataset=dataset, artifact=artifact)))
    found = compared(house, make.cycle(2))
    assert found is not None
    assert found.before == before


def test_a_cycle_that_chose_nothing_has_nothing_to_compare(house):
    assert compared(house, make.cycle(1)) is None
    assert labels_after(house, make.cycle(1)) == -1
    assert labels_after(house, make.cycle(2)) == 0


def test_a_run_whose_folder_is_gone_is_a_sentence(house):
    house.launcher.forget()
    found = compared(house, make.cycle(2))
    assert found is not None
    assert (found.finding, found.reason) == ("not measured", "the run left no models to compare")


def test_a_small_model_that_raises_while_it_is_asked_is_a_sentence(house, monkeypatch):
    monkeypatch.setitem(KNOWS, "random", linear({"bad": [4, 0, 0]}, fails_on="39"))
    found = compared(house, make.cycle(2))
    assert found is not None
    assert re.fullmatch(r"model [0-9a-f]{12}: RuntimeError: .*, expected probabilities", found.reason)


def test_labels_that_were_compared_are_not_compared_again(house):
    house.ledger.commit(make.entry("s", make.selection(id="cycle-3", cycle=3), make.strategy_comparison(2)))
    assert labels_after(house, make.cycle(3)) == 2


def test_the_house_falls_back_and_a_new_signal_brings_its_strategy_back(house):
    assert strategy_in_use(house).strategy == "cluster-margin.v1"
    at = [NOW + timedelta(hours=n) for n in range(5)]
    bad = [make.strategy_comparison(n, at=at[n], finding="worse", excess=-0.05, excess_error=0.005) for n in (1, 2, 3)]
    house.ledger.commit(make.entry("bad", *bad))
    assert (strategy_in_use(house).strategy, strategy_in_use(house).evidence) == (
        FALLBACK,
        ("cycle-1", "cycle-2", "cycle-3"),
    )
    house.ledger.commit(make.entry("moved", make.signal(raised_at=at[4])))
    assert strategy_in_use(house).strategy == "cluster-margin.v1"
