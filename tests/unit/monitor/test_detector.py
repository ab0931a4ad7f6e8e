import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.errors import InvalidRecord
from loopline.monitor.detector import (
    COMPONENTS,
    capped,
    coins,
    log_threshold,
    mixture,
    ticks_a_year,
    updated,
)
from loopline.monitor.histogram import Counts, histogram
from loopline.monitor.tolerance import tolerance

YEAR = log_threshold(false_alarms_per_year=1.0, ticks_per_year=ticks_a_year(300.0), signals=3)


def beta(mean: float, n: int, rng: np.random.Generator, *, sd: float = 0.17) -> np.ndarray:
    size = mean * (1 - mean) / sd**2 - 1
    return rng.beta(mean * size, (1 - mean) * size, n)


def reference(rng: np.random.Generator, *, tick: int) -> tuple[Counts, float]:
    parts = [histogram(beta(0.77, tick, rng)) for _ in range(800 // tick)]
    return np.sum(parts, axis=0), tolerance(parts)


def first_alarm(mean: float, *, seed: int, tick: int, ticks: int, threshold: float = YEAR) -> int:
    """The tick of the first alarm, from 1; ``ticks + 1`` when there is none."""
    rng = np.random.default_rng(seed)
    frozen, delta = reference(rng, tick=tick)
    watched, evidence = coins(frozen, tolerance=delta), np.zeros(0)
    for at in range(1, ticks + 1):
        evidence = updated(evidence, histogram(beta(mean, tick, rng)), watched)
        if mixture(evidence) >= threshold:
            return at
    return ticks + 1


@pytest.mark.parametrize("tick", [100, 200])
def test_a_drop_from_77_to_70_is_found_within_ten_ticks(tick: int) -> None:
    found = [first_alarm(0.70, seed=seed, tick=tick, ticks=12) for seed in range(40)]
    assert np.mean(np.array(found) <= 10) >= 0.95


def test_the_drop_is_found_at_the_pace_of_a_busy_server_too() -> None:
    busy = log_threshold(false_alarms_per_year=1.0, ticks_per_year=ticks_a_year(2.0), signals=3)
    found = [first_alarm(0.70, seed=seed, tick=200, ticks=12, threshold=busy) for seed in range(40)]
    assert np.mean(np.array(found) <= 10) >= 0.95


@pytest.mark.parametrize("tick", [100, 200])
def test_scores_that_stay_as_they_were_raise_no_alarm(tick: int) -> None:
    assert all(first_alarm(0.77, seed=seed, tick=tick, ticks=400) == 401 for seed in range(8))


def test_a_shift_within_the_tolerance_raises_no_alarm() -> None:
    assert all(first_alarm(0.76, seed=seed, tick=100, ticks=150) == 151 for seed in range(6))


def test_mean_time_to_a_false_alarm_is_at_least_the_threshold_at_the_edge_of_the_null() -> None:
    rng = np.random.default_rng(11)
    even = histogram((np.arange(1_000) + 0.5) / 1_000)
    watched, limit, runs = coins(even, tolerance=0.05), math.log(20.0), 120
    lengths = []
    for _ in range(runs):
        evidence, at = np.zeros(0), 0
        while mixture(evidence) < limit or not len(evidence):
            # the worst of the null: the distribution function lies 0.05 above the reference wherever it can
            evidence = updated(evidence, histogram(np.maximum(rng.random(40) - 0.05, 0.0)), watched)
            at += 1
        lengths.append(at)
    assert np.mean(lengths) >= 20.0


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.6))
def test_every_likelihood_ratio_expects_at_most_one_on_the_edge_of_its_null(seed: int, delta: float) -> None:
    rng = np.random.default_rng(seed)
    scores = histogram(rng.beta(*rng.uniform(0.3, 8, 2), 300))
    watched = coins(scores, tolerance=delta)
    share = (np.cumsum(scores[:-1]) / scores.sum())[watched.edge]
    at_edge = np.clip(np.stack([share + delta, share - delta])[:, :, None], 0.0, 1.0)
    within = share[None, :, None]
    for p in (at_edge, within):
        expected = p * np.exp(watched.below) + (1 - p) * np.exp(watched.above)
        assert (expected <= 1 + 1e-9).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_evidence_stays_finite_whatever_the_scores(values: list[float]) -> None:
    scores = histogram(np.array(values))
    watched = coins(scores, tolerance=0.02)
    evidence = np.zeros(0)
    for shifted in (np.zeros(50), np.ones(50), np.full(50, 0.5)):
        evidence = updated(evidence, histogram(shifted), watched)
        assert evidence.shape == (COMPONENTS,)
        assert np.isfinite(evidence).all()
        assert math.isfinite(mixture(evidence))


def test_capped_evidence_stands_at_the_threshold_and_lower_evidence_is_left() -> None:
    high = np.full(COMPONENTS, 30.0)
    assert mixture(capped(high, threshold=12.0)) == pytest.approx(12.0)
    assert (capped(high, threshold=40.0) == high).all()


def test_a_log_without_time_is_taken_to_have_five_minute_ticks() -> None:
    assert ticks_a_year(0.0) == ticks_a_year(300.0) == ticks_a_year(86_400.0)


def test_busier_traffic_and_fewer_allowed_alarms_raise_the_threshold() -> None:
    calm = log_threshold(false_alarms_per_year=12.0, ticks_per_year=105_192, signals=3)
    assert calm < YEAR < log_threshold(false_alarms_per_year=1.0, ticks_per_year=10_000_000, signals=3)
    assert log_threshold(false_alarms_per_year=1e9, ticks_per_year=1.0, signals=3) == 0.0


def test_no_false_alarm_at_all_cannot_be_promised() -> None:
    with pytest.raises(InvalidRecord) as caught:
        log_threshold(false_alarms_per_year=0.0, ticks_per_year=1.0, signals=3)
    told = "monitor.false_alarms_per_year: 0, expected more than 0; a detector that never errs never speaks"
    assert str(caught.value) == told
