"""The what-if and the report over a small real installation: files, SQLite, and training in a subprocess."""

from pathlib import Path

import pytest

from loopline.apps.config import load_settings
from loopline.apps.demo import counterfactual
from loopline.apps.demo.counterfactual import read_what_if, run_what_if, sendable
from loopline.apps.demo.project import write_project
from loopline.apps.demo.report import read_report
from loopline.apps.demo.world import Sample, World, write_world
from loopline.apps.wiring import FOLDER, open_house
from loopline.dataset.stage import import_base
from loopline.records.keys import entity_of
from loopline.testing import factories as make

pytestmark = pytest.mark.service

LABELS = ("negative", "neutral", "positive")
OLD, NEW = ("bad", "table", "good"), ("meh", "lamp", "wow")


def samples(part, words, count):
    return tuple(
        Sample(id=f"{part}-{n}", row=f"{part} {n}: {words[n % 3]}", label=LABELS[n % 3], ratings=(LABELS[n % 3],) * 9)
        for n in range(count)
    )


@pytest.fixture
def world():
    return World(
        loop="sentiment", dataset="made up", before_name="old words", after_name="new words", input="text", width=0,
        labels=LABELS, base=samples("base", OLD, 90), anchor=samples("anchor", OLD, 30), gold=samples("gold", OLD, 6),
        before=samples("before", OLD, 30), after=samples("after", NEW, 60), measured_old=samples("old", OLD, 60),
        measured_new=samples("new", NEW, 60), asked_per_label=3, seed=7,
    )  # fmt: skip


@pytest.fixture
def house(world, tmp_path):
    write_world(world, tmp_path / "demo" / "world.json")
    write_project(world, tmp_path)
    house = open_house(load_settings(tmp_path / "loop.toml"), root=tmp_path / FOLDER)
    dataset, anchor = import_base(
        house.base(), anchor=house.anchor(), settings=house.settings, objects=house.objects, now=house.clock.now()
    )
    made = (entity_of(dataset), entity_of(anchor))
    act = make.activity(id="sentiment/base", kind="dataset", cycle=0, used=(), generated=made)
    house.ledger.commit(make.entry("sentiment/base", records=(dataset, anchor), activity=act))
    sent = [make.prediction(f"p{n}", s.row) for n, s in enumerate((*world.before, *world.after, *world.after[:9]))]
    sent.append(make.prediction("sealed", "after 3: meh and more", role="reserve"))
    house.log.append(sent)
    labels = tuple(make.label(f"p{n}", stratum=stratum) for n, stratum in enumerate(("chosen",) * 20 + ("audit",) * 4))
    batch = make.label_batch(labels=labels, cycle=1)
    act = make.activity(id="sentiment/1/labels", cycle=1, used=(), generated=(entity_of(batch),))
    house.ledger.commit(make.entry("sentiment/1/labels", records=(batch,), activity=act))
    return house


def test_random_choice_draws_from_what_was_sent_and_is_not_sealed(house, world):
    pool = sendable(house, world)
    assert sorted(one.sample.id for one in pool) == sorted(sample.id for sample in world.after)


def test_as_many_random_labels_are_trained_on_and_measured_and_once_only(house, world, tmp_path, monkeypatch):
    monkeypatch.setattr(counterfactual, "SEEDS", (1, 2))
    outcome = run_what_if(tmp_path)
    assert outcome.labels == 24
    assert len(outcome.accuracies) == 2
    assert all(accuracy > 0.9 for accuracy in outcome.accuracies)  # new words are learnt from any 24 of them
    assert read_what_if(tmp_path) == outcome
    runs = sorted(Path(tmp_path / FOLDER / "runs").iterdir())
    assert run_what_if(tmp_path) == outcome
    assert sorted(Path(tmp_path / FOLDER / "runs").iterdir()) == runs

    found = read_report(tmp_path, world=world, seconds=9.0)
    assert (found.labels, found.versions, found.answered) == ({"chosen": 20, "audit": 4}, (), 0)
    assert found.what_if == outcome
    assert found.is_lineage_complete
