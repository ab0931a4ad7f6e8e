"""The sample of a cluster, and what it proves."""

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from loopline.annotate.bulk import DOUBT, most_others, sampled
from loopline.records.ids import TaskId


def names(count: int) -> list[TaskId]:
    return [TaskId(f"t{number}") for number in range(count)]


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_a_tenth_is_drawn_and_five_at_least(count: int, key: bytes) -> None:
    drawn = sampled(names(count), key=key)
    assert len(drawn) == len(set(drawn)) == min(count, max(5, -(-count // 10)))
    assert set(drawn) <= set(names(count))
    assert drawn == sampled(names(count)[::-1], key=key), "whatever order they come in"


def test_every_task_has_the_same_chance_to_be_drawn() -> None:
    times = dict.fromkeys(names(50), 0)
    for number in range(1_000):
        for task in sampled(names(50), key=b"%d" % number):
            times[task] += 1
    assert 60 < min(times.values()) < max(times.values()) < 140  # 100 of 1,000, 3 standard deviations are 28


@given(st.integers(1, 120), st.data())
def test_the_bound_is_the_exact_one(tasks: int, data: st.DataObject) -> None:
    sample = data.draw(st.integers(1, tasks))
    most = most_others(tasks, sample)
    assert hypergeom.pmf(0, tasks, most, sample) >= DOUBT - 1e-12
    assert most == tasks - sample or hypergeom.pmf(0, tasks, most + 1, sample) < DOUBT + 1e-12


def test_of_a_large_cluster_the_bound_is_that_of_independent_draws() -> None:
    for sample in (5, 10, 29):
        assert abs(most_others(1_000_000, sample) / 1_000_000 - (1 - 0.05 ** (1 / sample))) < 1e-4
