from functools import cache

import numpy as np
import pytest

from loopline.errors import InvalidRecord
from loopline.evaluate.ledger import spend
from loopline.evaluate.mcnemar import lower_bound


def test_all_decisions_together_spend_alpha():
    total = sum(spend(0.05, decision=k) for k in range(1, 20_001))
    assert 0.0499 < total < 0.05


def test_there_is_no_decision_zero():
    with pytest.raises(InvalidRecord, match=r"^ledger: decision 0, expected 1 or more$"):
        spend(0.05, decision=0)


@cache
def passes(gains, losses, n, margin, alpha):
    # The bound never exceeds what was observed, so that most need no bound.
    return (gains - losses) / n > -margin and lower_bound(gains, losses, n=n, alpha=alpha) > -margin


def families(rates, *, n, margin, alphas, repeats, seed):
    """The share of families of challengers in which at least one passes."""
    drawn = np.random.default_rng(seed).multinomial(n, [*rates, 1 - sum(rates)], size=(repeats, len(alphas)))
    return np.mean(
        [any(passes(int(b), int(c), n, margin, a) for (b, c, _), a in zip(row, alphas, strict=True)) for row in drawn]
    )


@pytest.mark.slow
def test_fifty_challengers_that_are_worse_by_the_margin_promote_one_with_at_most_alpha():
    """The family's false promotions stay at alpha with the ledger, and are the rule without it."""
    alpha, margin, n, repeats = 0.05, 0.10, 30, 100
    worse = {"n": n, "margin": margin, "repeats": repeats, "seed": 3}
    with_ledger = families((0.10, 0.20), alphas=[spend(alpha, decision=k) for k in range(1, 51)], **worse)
    without = families((0.10, 0.20), alphas=[alpha] * 50, **worse)
    assert with_ledger <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / repeats)
    assert without > 0.7
