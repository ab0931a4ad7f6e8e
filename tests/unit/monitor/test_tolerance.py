import numpy as np

from loopline.monitor.histogram import Counts, histogram
from loopline.monitor.tolerance import FLOOR, dispersion, tolerance


def clean(seed: int, *, ticks: int, size: int, spread: float = 0.0) -> list[Counts]:
    rng = np.random.default_rng(seed)
    return [histogram(np.clip(rng.beta(6, 2, size) + rng.normal(0, spread), 0, 1)) for _ in range(ticks)]


def test_independent_scores_rarely_look_dispersed() -> None:
    for ticks, size in ((8, 100), (4, 200), (20, 250)):
        excess = [dispersion(clean(seed, ticks=ticks, size=size)) for seed in range(300)]
        assert np.mean(np.array(excess) > 1.0) < 0.09, (ticks, size)


def test_ticks_that_wander_are_tolerated_more() -> None:
    calm = np.median([tolerance(clean(s, ticks=8, size=200)) for s in range(20)])
    wandering = np.median([tolerance(clean(s, ticks=8, size=200, spread=0.08)) for s in range(20)])
    assert wandering > 2 * calm


def test_repeated_inputs_are_tolerated_more() -> None:
    rng = np.random.default_rng(4)
    repeated = [histogram(np.repeat(rng.beta(6, 2, 20), 10)) for _ in range(8)]
    assert tolerance(repeated) > tolerance(clean(1, ticks=8, size=200)) + 0.02


def test_a_large_calm_reference_ends_at_the_floor() -> None:
    even = histogram(np.linspace(0, 1, 5_000))
    assert tolerance([even] * 20) == FLOOR


def test_a_single_tick_or_a_single_score_says_nothing_about_spread() -> None:
    assert dispersion(clean(1, ticks=1, size=100)) == 1.0
    assert dispersion([histogram(np.full(100, 0.5))] * 4) == 1.0


def test_tolerance_is_at_most_everything() -> None:
    assert tolerance([histogram(np.array([0.5]))]) == 1.0


def test_a_days_rhythm_of_three_spreads_is_no_drift() -> None:
    """Ticks whose share of low scores swings by a standard deviation of 0.1 around a half."""
    shares = [0.4, 0.6] * 10
    ticks = [histogram(np.repeat([0.25, 0.75], [round(1_000 * s), round(1_000 * (1 - s))])) for s in shares]
    assert 0.22 < tolerance(ticks) < 0.32
