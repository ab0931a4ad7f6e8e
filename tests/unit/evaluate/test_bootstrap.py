import numpy as np
import pytest
from scipy.stats import bootstrap, gamma

from loopline.evaluate.bootstrap import bca_bounds, resamples_for
from loopline.evaluate.metrics import METRICS


def mean(sums):
    return sums[..., 0] / sums[..., 1]


def rows_of(values):
    return np.stack([values, np.ones(len(values))], axis=1)


def bounds(values, *, alpha, resamples=2000, seed=0):
    generator = np.random.default_rng(seed)
    return bca_bounds(rows_of(values), statistic=mean, alpha=alpha, resamples=resamples, generator=generator)


def test_matches_scipy_on_a_skewed_sample():
    values = gamma.rvs(1.0, size=80, random_state=2)
    ours = bounds(values, alpha=0.05, resamples=20_000)
    theirs = bootstrap(
        (values,), np.mean, n_resamples=20_000, confidence_level=0.9, method="BCa", rng=np.random.default_rng(1)
    )
    assert ours.lower == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert ours.upper == pytest.approx(theirs.confidence_interval.high, abs=0.015)
    assert ours.standard_error == pytest.approx(theirs.standard_error, rel=0.03)


def test_same_seed_same_bounds_whatever_the_order_of_rows():
    values = np.random.default_rng(4).normal(size=50)
    assert bounds(values, alpha=0.05) == bounds(values[::-1], alpha=0.05)


@pytest.mark.slow
def test_the_lower_bound_exceeds_the_truth_about_as_often_as_stated():
    """Macro-F1 of two equally good models that err independently: the true difference is 0."""
    generator, alpha, repeats, over = np.random.default_rng(8), 0.05, 300, 0
    contributions, finish = METRICS["macro_f1"]
    for _ in range(repeats):
        truth = generator.integers(0, 3, 200)
        sides = [contributions(answers(truth, generator), truth) for _ in range(2)]
        found = bca_bounds(
            np.concatenate(sides, axis=1),
            statistic=lambda sums: finish(sums[..., :9]) - finish(sums[..., 9:]),
            alpha=alpha,
            resamples=1000,
            generator=generator,
        )
        over += found.lower > 0
    assert over / repeats <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / repeats) + 0.01
    assert over > 0


def answers(truth, generator):
    """One-hot answers, right in 70 % of rows."""
    wrong = (truth + generator.integers(1, 3, len(truth))) % 3
    return np.eye(3)[np.where(generator.random(len(truth)) < 0.7, truth, wrong)]


def test_rows_that_never_differ_give_bounds_at_the_estimate():
    found = bounds(np.full(40, 0.25), alpha=0.05)
    assert found.lower == found.upper == pytest.approx(0.25)


def test_small_alphas_get_more_resamples_up_to_a_limit():
    assert [resamples_for(a) for a in (0.5, 0.01, 1e-9)] == [2000, 2000, 100_000]
