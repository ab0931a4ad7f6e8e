"""Who learns what, and what the runs of the two small models come to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.memory.launcher import Finished, MemoryLauncher
from loopline.adapters.memory.objects import MemoryObjects
from loopline.ports.launcher import Package
from loopline.records.model import RunResult, RunState
from loopline.testing.factories import digest, run_spec
from loopline.train.arms import LEAST_LABELS, arm_id, arm_spec, divided, trial_of
from loopline.train.stage import trial

ROWS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["imported", "chosen", "audit"])), max_size=60
)  # fmt: skip
SPEC = run_spec("s/run/1/1", compare_after=0)


def arms_of(rows, *, after=0, seed=1, order=None):
    order = np.arange(len(rows)) if order is None else order
    content = [f"c{place}" for place in order]
    cycle = np.array([rows[place][0] for place in order], dtype=np.int64)
    stratum = np.array([rows[place][1] for place in order], dtype=np.str_)
    return divided(content, cycle=cycle, stratum=stratum, after=after, seed=seed)


@given(ROWS, st.integers(0, 4))
def test_both_hold_equally_many_labels_of_every_cycle(rows, after):
    arms = arms_of(rows, after=after)
    assert len(arms.chosen) == len(arms.random)
    for kind, places in (("chosen", arms.chosen), ("audit", arms.random)):
        assert all(rows[place][1] == kind and rows[place][0] > after for place in places)
    for cycle in range(after + 1, 5):
        there = [sum(row == (cycle, kind) for row in rows) for kind in ("chosen", "audit")]
        counts = [sum(rows[place][0] == cycle for place in places) for places in (arms.chosen, arms.random)]
        assert counts == [min(there)] * 2


@given(ROWS, st.integers(0, 4))
def test_they_share_all_that_the_loop_held_before(rows, after):
    shared = {p for p, (cycle, stratum) in enumerate(rows) if cycle <= after or stratum == "imported"}
    assert set(arms_of(rows, after=after).shared.tolist()) == shared


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    one, other = arms_of(rows), arms_of(rows, order=order)
    for kind in ("chosen", "random"):
        assert set(one.rows_of(kind).tolist()) == {order[place] for place in other.rows_of(kind)}


def test_another_seed_draws_other_chosen_labels_of_the_many():
    rows = [(1, "audit")] * 30 + [(1, "chosen")] * 300
    first, second = (set(arms_of(rows, seed=seed).chosen.tolist()) for seed in (1, 2))
    assert len(first & second) < 15
    assert arms_of(rows, seed=1).random.tolist() == list(range(30))


@pytest.mark.parametrize(("n", "told"), [(19, "19 of 20 labels of each kind so far"), (20, "")])
def test_fewer_than_twenty_of_a_kind_are_too_few(n, told):
    assert LEAST_LABELS == 20
    assert arms_of([(1, "audit")] * n + [(1, "chosen")] * 40).shortage == told


def test_the_orders_of_a_small_run_are_those_of_the_run_it_is_beside():
    spec = run_spec("s/run/1/1", compare_after=0, convert="auto", memory_mb=512, seed=7, dataset_parts=("a", "b"))
    small = arm_spec(spec, "random", dataset_file="r.parquet", seconds=60)
    assert (small.id, small.dataset_file, small.seconds) == ("s/run/1/1/random", "r.parquet", 60)
    assert (small.seed, small.memory_mb, small.entry, small.folder) == (7, 512, spec.entry, spec.folder)
    assert (small.convert, small.compare_after, small.dataset_parts) == ("never", -1, ())


def state(kind, phase="succeeded", reason="", **metrics):
    found = {"labels": 24.0, "shared": 400.0, "seconds": 1.5} | metrics
    run = arm_id(SPEC.id, kind)
    return RunState(id=run, phase=phase, done=0, total=0, metrics=found, reason=reason, log_tail="")


class Left(MemoryLauncher):
    """A launcher in whose folders the run's worker left two runs; each ends as told."""

    def __init__(self, *states):
        result = RunResult(engine="sklearn", artifact_file="m", checks_file="c", code=digest(b"code"), metrics={})
        super().__init__(lambda spec: Finished(result, Package(spec.id.encode(), b"checks")))
        self._states = {one.id: one for one in states}
        for one in states:
            self.submit(run_spec(one.id))

    def poll(self, run):
        super().poll(run)
        return self._states[run]


def test_what_the_run_left_comes_back_with_its_cost():
    objects = MemoryObjects()
    found = trial(SPEC, launcher=Left(state("chosen"), state("random", seconds=1.0)), objects=objects)
    assert [(arm.kind, arm.engine, arm.seconds) for arm in found.arms] == [
        ("chosen", "sklearn", 1.5),
        ("random", "sklearn", 1.0),
    ]
    assert [objects.get(arm.artifact) for arm in found.arms] == [b"s/run/1/1/chosen", b"s/run/1/1/random"]
    assert (found.after, found.labels, found.shared, found.seconds, found.reason) == (0, 24, 400, 2.5, "")


def test_one_that_failed_leaves_nothing_to_compare_and_says_which():
    launcher = Left(state("chosen"), state("random", "failed", "ran longer than its limit of 60 s", seconds=60.0))
    found = trial(SPEC, launcher=launcher, objects=MemoryObjects())
    assert (found.arms, found.reason) == ((), "with random labels, ran longer than its limit of 60 s")
    assert found.seconds == 61.5


def test_too_few_labels_are_the_whole_reason():
    states = {
        kind: state(kind, "failed", "13 of 20 labels of each kind so far", labels=13.0) for kind in ("chosen", "random")
    }
    assert trial_of(SPEC, states=states, arms=[]).reason == "13 of 20 labels of each kind so far"


@pytest.mark.parametrize(
    ("after", "told"),
    [(0, "the run left no models to compare"), (-1, "nothing was to be compared, or [select] compare is false")],
)
def test_a_run_that_left_no_models_is_no_error(after, told):
    found = trial(run_spec("s/run/1/1", compare_after=after), launcher=Left(), objects=MemoryObjects())
    assert (found.arms, found.reason, found.after) == ((), told, after)
