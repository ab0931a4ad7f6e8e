import io
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from loopline.apps.demo.counterfactual import Asked, WhatIf, draw, labelled, labels_spent
from loopline.apps.demo.measuring import Accuracy, accuracy_of, measure
from loopline.apps.demo.report import Measured, Report, decisions, lines_of, spent_by_stratum, verdict_on_choosing
from loopline.apps.demo.result import as_json, print_report
from loopline.apps.demo.world import Sample, World, majority
from loopline.orchestrate.lineage import Step
from loopline.testing import factories as make

LABELS = ("negative", "neutral", "positive")


def measured(name, new, *, cycle=0):
    return Measured(name=name, cycle=cycle, outcome="promoted", new=accuracy_of(new, 1000), old=accuracy_of(770, 1000))


def report(**changes):
    whole = Report(
        dataset="sentences",
        before_name="movie reviews",
        after_name="tweets",
        seconds=151.26,
        cycles=3,
        labels={"chosen": 405, "audit": 45, "reserve": 700},
        annotations=1900,
        agreement=((1, 0.61, 200),),
        versions=(measured("v1", 540), measured("v2", 640, cycle=1)),
        what_if=WhatIf(labels=450, accuracies=(0.60, 0.62, 0.61, 0.63, 0.59)),
        flagged=(make.standing("dora", state="paused", reason="paused: 20 of 30 gold answers right"),),
        signals=(make.signal(),),
        decisions=("gate, v2: pass: it is no worse",),
        promoted=("v2",),
        is_lineage_complete=True,
        why=("prediction p1: positive",),
        answered=12_000,
        stored=12_000,
        dropped=0,
    )
    return msgspec.structs.replace(whole, **changes)


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(counts):
    right, n = counts
    found = accuracy_of(right, n)
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1


def test_the_interval_covers_the_truth_95_times_in_100():
    rng = np.random.default_rng(3)
    covered = [accuracy_of(int(k), 300) for k in rng.binomial(300, 0.7, 4_000)]
    assert np.mean([a.low <= 0.7 <= a.high for a in covered]) == pytest.approx(0.95, abs=0.015)


def test_nothing_measured_is_known_to_be_nothing():
    assert accuracy_of(0, 0) == Accuracy(0.0, 0.0, 1.0, 0)


def test_accuracy_counts_the_right_labels():
    class Loads:
        def load(self, artifact, *, engine, signature):
            assert artifact == b"model"
            return self

        def predict(self, rows):
            return np.array([[0.0, 0.0, 1.0] if "good" in row else [1.0, 0.0, 0.0] for row in rows], np.float32)

    class Keeps:
        def get(self, digest):
            return b"model"

    samples = [Sample(id=str(n), row=row, label="positive") for n, row in enumerate(("good", "fine", "good good"))]
    found = measure(make.model_version(), samples, objects=Keeps(), engine=Loads(), rows_at_once=2)
    assert (found.value, found.n) == (pytest.approx(2 / 3), 3)


@pytest.mark.parametrize(
    ("best", "said"),
    [
        (640, "Choosing beat random: v2 is 3.0 points above the mean of 5 random choices of as many labels"),
        (620, "Choosing did not beat random: v2 is +1.0 points from the mean of, and within, 5 random choices"),
        (560, "Choosing did NOT beat random: v2 is 5.0 points below the mean of 5 random choices of as many labels"),
    ],
)
def test_the_report_says_plainly_whether_choosing_was_worth_it(best, said):
    found = report(versions=(measured("v1", 540), measured("v2", best, cycle=1)))
    assert verdict_on_choosing(found).startswith(said)


def test_without_a_what_if_nothing_is_claimed():
    assert verdict_on_choosing(report(what_if=None)) == (
        "What random choice would have brought was not measured in this run."
    )
    assert as_json(report(what_if=None))["random_accuracy_new"] is None


def test_the_json_object_has_the_promised_keys_and_survives_encoding():
    found = json.loads(json.dumps(as_json(report())))
    assert list(found) == [
        "dataset", "seconds", "cycles", "labels", "versions", "random_accuracy_new", "promoted", "flagged_annotators",
        "signals", "lineage_complete", "predictions_answered", "records_stored", "drops",
    ]  # fmt: skip
    assert list(found["versions"][0]) == ["name", "accuracy_new", "accuracy_old", "ci"]
    assert (found["promoted"], found["flagged_annotators"], found["labels"]["reserve"]) == (["v2"], ["dora"], 700)
    assert found["random_accuracy_new"] == pytest.approx(0.61)
    assert found["versions"][1]["ci"][0] < 0.64 < found["versions"][1]["ci"][1]


def test_the_printed_report_tells_the_whole_story():
    console = Console(file=io.StringIO(), width=140)
    print_report(report(), console)
    told = console.file.getvalue()
    for part in (
        "never-sent tweets, n = 1,000",
        "64.0  (61.0 to 66.9)",
        "405 chosen, 45 audit, 700 reserve; from 1,900 answers",
        "cycle 1: alpha 0.61 over 200 samples",
        "dora: paused: 20 of 30 gold answers right",
        "gate, v2: pass: it is no worse",
        "12,000 predictions answered = 12,000 stored + 0 dropped",
        "promoted: v2",
    ):
        assert part in told


def test_an_empty_run_can_be_reported():
    bare = report(versions=(), what_if=None, flagged=(), signals=(), decisions=(), promoted=(), why=(), agreement=())
    console = Console(file=io.StringIO(), width=140)
    print_report(msgspec.structs.replace(bare, labels={}, is_lineage_complete=False), console)
    assert "nobody" in console.file.getvalue()
    assert "INCOMPLETE" in console.file.getvalue()


def test_labels_are_counted_by_stratum_and_only_training_ones_are_spent_on_choice():
    labels = tuple(make.label(f"p{n}", stratum=s) for n, s in enumerate(("chosen", "chosen", "audit", "reserve")))
    batches = (make.label_batch(labels=labels, cycle=1), make.label_batch(labels=labels, cycle=4))
    assert spent_by_stratum(batches[:1]) == {"chosen": 2, "audit": 1, "reserve": 1}
    assert labels_spent(batches) == 3


def test_decisions_come_turn_by_turn():
    verdicts = (make.verdict(cycle=2, challenger="v3", reason="b"), make.verdict(cycle=1, challenger="v2", reason="a"))
    cycles = (make.cycle(number=1, outcome="promoted", outcome_reason="all steps held"),)
    told = decisions(verdicts, (), cycles)
    assert [line.partition(":")[0] for line in told] == ["gate, v2", "cycle 1", "gate, v3"]


def test_the_tree_is_indented_and_cut_at_its_depth():
    leaf = Step("dataset:c0", "s/c0", "dataset", "2026-01-01T10:00:00+00:00", ())
    tree = Step("model:v1", "s/train", "train", "2026-01-01T10:00:05+00:00", (leaf,))
    assert lines_of(tree) == (
        "model:v1  by s/train at 2026-01-01T10:00:05",
        "  dataset:c0  by s/c0 at 2026-01-01T10:00:00",
    )
    assert lines_of(tree, deepest=0) == lines_of(tree)[:1]


@pytest.fixture
def pool():
    return tuple(
        Asked(
            prediction=f"p{n}",
            content=f"{n:064x}",
            inputs=f'"tweet {n}"'.encode(),
            sample=Sample(id=f"s{n}", row=f"tweet {n}", label="positive", ratings=(LABELS[n % 3], *LABELS) * 3),
        )
        for n in range(40)
    )


def test_a_random_draw_is_repeatable_and_without_repeats(pool):
    drawn = draw(pool, count=15, seed=4)
    assert drawn == draw(pool, count=15, seed=4)
    assert len({one.prediction for one in drawn}) == 15
    assert draw(pool, count=15, seed=5) != drawn
    assert len(draw(pool, count=99, seed=1)) == 40


def test_random_labels_are_what_the_same_people_say(pool):
    world = World(
        loop="sentiment", dataset="", before_name="", after_name="", input="text", width=0, labels=LABELS, base=(),
        anchor=(), gold=(), before=(), after=tuple(one.sample for one in pool), measured_old=(), measured_new=(),
        asked_per_label=3, seed=1,
    )  # fmt: skip
    batch = labelled(pool[:5], world=world, cycle=make.cycle(number=1001), signature=world.signature)
    assert [label.label for label in batch.labels] == [majority(world, one.sample) for one in pool[:5]]
    assert {label.stratum for label in batch.labels} == {"audit"}
    assert all(sum(label.posterior) == 1.0 for label in batch.labels)
