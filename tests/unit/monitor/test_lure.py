"""LURE: unbiased by enumeration, its intervals hold by simulation, and it refuses when it knows too little."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.monitor.lure import Estimate, Weighed, estimate, lure, lure_weights, wilson
from loopline.select.draw import Design, draw, softrank

LOSSES = np.array([1.0, 0.0, 0.3, 0.0, 0.9])
WEIGHTS = np.array([8.0, 4.0, 2.0, 1.0, 1.0])


def paths(drawn: int) -> Iterator[tuple[float, list[int], np.ndarray]]:
    """Every way to draw so many, with its chance and the odds of each draw; the odds look at what was drawn before."""
    n = len(LOSSES)
    for path in permutations(range(n), drawn):
        odds = []
        for place, sample in enumerate(path):
            left = [i for i in range(n) if i not in path[:place]]
            wanted = WEIGHTS ** (1.0 if 0 in path[:place] else 0.5)
            odds.append(0.3 / len(left) + 0.7 * wanted[sample] / wanted[left].sum())
        yield float(np.prod(odds)), list(path), np.array(odds)


@pytest.mark.parametrize("drawn", [1, 2, 3, 4, 5])
def test_the_mean_over_every_way_to_draw_is_the_mean_of_the_pool(drawn):
    naive = weighed = chance = 0.0
    for p, path, odds in paths(drawn):
        naive += p * LOSSES[path].mean()
        weighed += p * lure(LOSSES[path], proposal=odds, pool=len(LOSSES)).value
        chance += p
    assert chance == pytest.approx(1.0)
    assert weighed == pytest.approx(LOSSES.mean(), abs=1e-12)
    if drawn < 4:
        assert naive - LOSSES.mean() > 0.01


@pytest.mark.parametrize("drawn", [1, 2, 3, 4])
def test_the_weights_are_the_mean_of_terms_that_are_each_unbiased(drawn):
    """The derivation: LURE is the average of ``a_m`` by ``c_m``, which add up to M."""
    n, m = len(LOSSES), np.arange(1, drawn + 1)
    shares = n * (n - drawn) / ((n - m) * (n - m + 1.0))
    assert shares.sum() == pytest.approx(drawn)
    for _, path, odds in paths(drawn):
        terms = np.array([(LOSSES[path[:k]].sum() + LOSSES[path[k]] / odds[k]) / n for k in range(drawn)])
        found = lure(LOSSES[path], proposal=odds, pool=n)
        assert found.value == pytest.approx((shares * terms).sum() / drawn)
        assert found.squares == pytest.approx((shares * (terms - found.value) / drawn) ** 2)


def test_the_variances_of_the_terms_add_up_to_that_of_the_estimate():
    n, m, truth = len(LOSSES), np.arange(1, 4), LOSSES.mean()
    shares = n * (n - 3) / ((n - m) * (n - m + 1.0)) / 3
    spread = added = 0.0
    for p, path, odds in paths(3):
        terms = np.array([(LOSSES[path[:k]].sum() + LOSSES[path[k]] / odds[k]) / n for k in range(3)])
        spread += p * (lure(LOSSES[path], proposal=odds, pool=n).value - truth) ** 2
        added += p * ((shares * (terms - truth)) ** 2).sum()
    assert added == pytest.approx(spread)


@given(st.integers(1, 30), st.integers(0, 200))
def test_uniform_draws_weigh_one_each(drawn, more):
    pool = drawn + more
    odds = 1.0 / (pool - np.arange(drawn))
    assert np.allclose(lure_weights(odds, pool=pool), 1.0)


@given(st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=40), st.integers(0, 500))
def test_weights_are_positive_and_a_whole_pool_needs_none(odds, more):
    weights = lure_weights(np.array(odds), pool=len(odds) + more)
    assert (weights > 0).all()
    if not more:
        assert (weights == 1.0).all()


def even(wrong: int, n: int, pool: int) -> Weighed:
    return lure(np.repeat([1.0, 0.0], [wrong, n - wrong]), proposal=1.0 / (pool - np.arange(n)), pool=pool)


def test_fewer_than_thirty_even_draws_are_no_estimate_but_two_pools_may_be_enough_together():
    assert estimate([even(2, 29, 500)]) is None
    assert estimate([even(2, 30, 500)]) is not None
    both = estimate([even(2, 20, 500), even(5, 20, 500)])
    assert both is not None
    assert both.value == pytest.approx(7 / 40)
    assert both.effective == pytest.approx(40)


def test_a_pool_that_is_labelled_whole_is_known_exactly():
    assert estimate([even(10, 40, 40)]) == Estimate(0.25, 0.25, 0.25, 0.0, 40.0)
    assert estimate([even(0, 40, 40)]) == Estimate(0.0, 0.0, 0.0, 0.0, 40.0)


def test_no_error_seen_does_not_mean_no_error():
    found = estimate([even(0, 60, 100_000)])
    assert found is not None
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(3.8416 / (60 + 3.8416), rel=0.01)


def test_an_even_draw_has_wilsons_interval():
    found = estimate([even(30, 200, 10**9)])
    assert found is not None
    assert (found.low, found.high) == pytest.approx(wilson(0.15, per_label=1 / 200), abs=0.001)


def test_two_pools_are_as_sure_as_one_draw_of_both_sizes():
    found = estimate([even(30, 200, 10**9), even(30, 200, 10**9)])
    assert found is not None
    assert found.error == pytest.approx(np.sqrt(0.15 * 0.85 / 400), rel=0.001)
    silent = estimate([even(0, 30, 10**9), even(0, 30, 10**9)])
    assert silent is not None
    assert silent.high == pytest.approx(3.8416 / (60 + 3.8416), rel=0.001)


def world(explore: float, sharpness: float) -> tuple[np.ndarray, Design]:
    """Errors that gather where the model doubts, among 2,000; the first 500 are candidates."""
    losses = (np.random.default_rng(4).random(2_000) < 0.5 * np.exp(-np.arange(2_000) / 500)).astype(np.float64)
    weights, beyond = softrank(500, tail=1_500, sharpness=sharpness)
    return losses, Design(weights, np.zeros(500, np.int64), 500, 1_500, beyond, 150, explore)


@pytest.mark.slow
@pytest.mark.parametrize(("explore", "sharpness"), [(0.5, 1.0), (0.5, 4.0), (0.25, 1.0)])
def test_the_interval_holds_the_truth_95_times_in_100(explore, sharpness):
    losses, design = world(explore, sharpness)
    keys, truth, runs = np.arange(2_000, dtype=np.uint64), losses.mean(), 1_000
    held, values, naive, variances = 0, [], [], []
    for seed in range(runs):
        drawn = draw(design, candidates=keys[:500], pool=keys, seed=seed)
        found = lure(losses[drawn.content.astype(int)], proposal=drawn.proposal, pool=2_000)
        said = estimate([found])
        assert said is not None
        held += said.low <= truth <= said.high
        values.append(found.value)
        variances.append(found.squares.sum())
        naive.append(losses[drawn.content.astype(int)].mean())
    assert 0.93 <= held / runs <= 0.97
    assert abs(np.mean(values) - truth) < 4.0 * np.std(values) / np.sqrt(runs)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.15)
    assert np.mean(naive) - truth > 0.05
