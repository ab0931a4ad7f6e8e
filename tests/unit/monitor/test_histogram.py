import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loopline.monitor.distance import distance, distance_upper, dkw, severity
from loopline.monitor.histogram import BINS, distribution, histogram, mean

SCORES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=80)


@given(SCORES, SCORES)
def test_merging_is_addition(one: list[float], other: list[float]) -> None:
    together = histogram(np.array(one + other, np.float32))
    assert (together == histogram(np.array(one, np.float32)) + histogram(np.array(other, np.float32))).all()
    assert together.sum() == len(one) + len(other)


@given(SCORES)
def test_the_mean_is_exact_to_half_a_bin(scores: list[float]) -> None:
    values = np.array(scores, np.float32)
    assert abs(mean(histogram(values)) - values.mean(dtype=np.float64)) <= 0.5 / BINS + 1e-6


def test_the_mean_of_nothing_is_zero() -> None:
    assert mean(histogram(np.zeros(0))) == 0.0


@given(SCORES)
def test_a_distribution_function_grows_from_0_to_1(scores: list[float]) -> None:
    values = distribution(histogram(np.array(scores, np.float32)))
    assert (np.diff(values) >= 0).all()
    assert values.min() >= 0
    assert values.max() <= 1


def test_a_rounding_error_outside_counts_at_the_edge() -> None:
    counts = histogram(np.array([-1e-7, 1.0000001]))
    assert (counts[0], counts[-1]) == (1, 1)


@given(SCORES, SCORES)
def test_distance_is_symmetric_and_nothing_for_itself(one: list[float], other: list[float]) -> None:
    a, b = histogram(np.array(one)), histogram(np.array(other))
    assert distance(a, b) == distance(b, a)
    assert distance(a, a) == 0
    assert distance(a, b) <= distance_upper(a, b) <= 1


def test_dkw_holds_by_simulation() -> None:
    rng = np.random.default_rng(0)
    n, runs = 100, 2_000
    scores = np.sort(rng.random((runs, n)), axis=1)
    steps = np.arange(1, n + 1) / n
    gaps = np.maximum(np.abs(steps - scores), np.abs(steps - 1 / n - scores)).max(axis=1)
    assert (gaps > dkw(n, alpha=0.05)).mean() <= 0.06


def test_severity_with_a_tolerance_beyond_grave_is_all_or_nothing() -> None:
    assert severity(0.5, tolerance=0.4) == 1.0
    assert severity(0.35, tolerance=0.4) == 0.0
