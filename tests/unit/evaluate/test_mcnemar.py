from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multinomial

from loopline.evaluate.mcnemar import (
    largest_probability,
    least_gains,
    lower_bound,
    probability,
    score_bound,
    upper_bound,
)


@pytest.mark.parametrize(
    ("gains", "losses", "n", "low", "high"),
    [(1, 7, 21, -0.517, -0.026), (6, 16, 161, -0.124, -0.005)],
)
def test_score_bounds_match_the_textbook(gains, losses, n, low, high):
    """Fagerland, Lydersen, Laake: Statistical Analysis of Contingency Tables (2017), chapter 8: Tango's 95 % limits."""
    assert score_bound(gains, losses, n=n, alpha=0.025) == pytest.approx(low, abs=6e-4)
    assert -score_bound(losses, gains, n=n, alpha=0.025) == pytest.approx(high, abs=6e-4)


def outcomes(n):
    return [(gains, losses) for gains in range(n + 1) for losses in range(n + 1 - gains)]


@pytest.mark.parametrize(("n", "alpha"), [(8, 0.05), (14, 0.0304), (14, 0.2)])
def test_the_bound_covers_at_every_rate_by_full_enumeration(n, alpha):
    """Every outcome, every pair of rates on a fine grid: the bound exceeds the truth with probability <= alpha."""
    every = outcomes(n)
    lower = np.array([lower_bound(b, c, n=n, alpha=alpha) for b, c in every])
    counts = np.array([(b, c, n - b - c) for b, c in every])
    worst = 0.0
    for p10 in np.linspace(0, 1, 41):
        for p01 in np.linspace(0, 1 - p10, 41):
            mass = multinomial.pmf(counts, n, [p10, p01, max(0.0, 1 - p10 - p01)])
            worst = max(worst, mass[lower > p10 - p01 + 1e-6].sum())
    assert worst <= alpha + 1e-3  # the nuisance rate is searched on a grid
    assert worst > alpha / 2  # and the bound is not valid merely by being useless


@pytest.mark.slow
@pytest.mark.parametrize("rates", [(0.10, 0.12), (0.02, 0.03)])
def test_the_bound_covers_by_simulation_at_the_size_of_a_real_reserve(rates):
    n, alpha, repeats = 200, 0.05, 200
    drawn = np.random.default_rng(5).multinomial(n, [*rates, 1 - sum(rates)], size=repeats)
    kinds, times = np.unique(drawn[:, :2], axis=0, return_counts=True)
    over = [lower_bound(int(b), int(c), n=n, alpha=alpha) > rates[0] - rates[1] for b, c in kinds]
    assert (np.array(over) * times).sum() / repeats <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / repeats)


def test_more_gains_or_fewer_losses_never_lower_the_bound():
    n, alpha = 12, 0.05
    bound = {(b, c): lower_bound(b, c, n=n, alpha=alpha) for b, c in outcomes(n)}
    for (gains, losses), value in bound.items():
        assert bound.get((gains + 1, losses), 1.0) >= value - 1e-6
        assert bound.get((gains, losses - 1), 1.0) >= value - 1e-6
        assert bound.get((gains + 1, losses - 1), 1.0) >= value - 1e-6


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_bounds_straddle_what_was_observed(data):
    n = data.draw(st.integers(1, 200))
    gains = data.draw(st.integers(0, n))
    losses = data.draw(st.integers(0, n - gains))
    low, high = (side(gains, losses, n=n, alpha=0.03) for side in (lower_bound, upper_bound))
    assert -1.0 <= low <= (gains - losses) / n <= high <= 1.0


def test_a_smaller_alpha_gives_a_wider_bound():
    bounds = [lower_bound(40, 30, n=300, alpha=alpha) for alpha in (0.05, 0.0076, 0.0001)]
    assert bounds == sorted(bounds, reverse=True)
    assert len(set(bounds)) == 3


def test_probability_is_that_of_full_enumeration():
    n, difference, rate = 9, -0.07, 0.21
    least = least_gains(n, difference=-0.2, alpha=0.1)
    inside = [(b, c, n - b - c) for b, c in outcomes(n) if b >= least[b + c]]
    expected = multinomial.pmf(inside, n, [rate + difference, rate, 1 - 2 * rate - difference]).sum()
    assert probability(least, difference=difference, rate=np.array([rate]))[0] == pytest.approx(expected, abs=1e-9)


def test_the_largest_probability_grows_with_the_difference():
    least = least_gains(60, difference=-0.1, alpha=0.05)
    found = [largest_probability(least, difference=d) for d in np.linspace(-0.9, 0.9, 19)]
    assert all(low <= high + 1e-9 for low, high in pairwise(found))


def test_the_grid_of_rates_finds_the_supremum():
    for n, alpha in ((50, 0.03), (400, 0.0076)):
        least = least_gains(n, difference=-0.05, alpha=alpha)
        fine = probability(least, difference=-0.05, rate=np.linspace(0.05, 0.525, 3001)).max()
        assert largest_probability(least, difference=-0.05) >= fine * 0.97
