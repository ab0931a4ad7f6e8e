"""LURE: the error rate of a whole pool from labels that were not drawn at random.

M samples were drawn one after another, each among those of the pool of N not drawn before; the m-th had the chance
``q_m`` to be the one. Weighing its loss by

    v_m = 1 + (N - M) / (N - m) * (1 / ((N - m + 1) q_m) - 1)

makes the mean of ``v_m * loss_m`` unbiased for the mean loss over the pool, provided that every sample not yet drawn
had a chance at every draw. Source: Farquhar, Gal, Rainforth (2021), "On statistical bias in active learning: how and
when to fix it", ICLR, arXiv 2101.11665.

*Where the weights come from.* ``a_m = (sum of the losses before m + loss_m / q_m) / N`` is unbiased by itself: given
what was drawn before, the second term stands for all the rest. LURE is the mean of the a_m weighed by
``c_m = N (N - M) / ((N - m) (N - m + 1))``, which sum to M; uniform draws get v = 1. So the errors ``a_m - R`` are
martingale differences and their variances add up: ``sum (c_m (a_m - R))^2 / M^2`` estimates the variance.

*What is not exact.* M is fixed in the source. Here a fixed number of steps gives M distinct samples, a few fewer when
both orders draw the same; that M leans on what is drawn shifts the mean by far less than the standard error.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Numbers = NDArray[np.float64]

CONFIDENCE = 0.95
FEWEST = 30
"""Least effective sample size at which an estimate is given."""
PRIOR = 2.0
"""How many labels' worth of evidence the plain variance counts for beside the measured one."""


class Weighed(NamedTuple):
    """What the labels of one draw say of its pool."""

    value: float
    """The mean loss, at least 0; chance may carry it above 1."""
    squares: Numbers
    """(M,) what each label adds to the estimated variance of the value."""
    effective: float
    """``(sum v)^2 / sum v^2``: evenly weighed labels that spread as little, in [1, M]."""
    unseen: float
    """The share of the pool that was not drawn, in [0, 1): what an estimate can be wrong about."""


class Estimate(NamedTuple):
    """A mean loss in [0, 1] with its 95 % interval."""

    value: float
    low: float
    high: float
    error: float
    """Standard error."""
    effective: float


def lure_weights(proposal: Numbers, *, pool: int) -> Numbers:
    """The weight v of each draw, (M,) positive. proposal: (M,) in (0, 1], in draw order; pool: N >= M.

    >>> lure_weights(np.array([1 / 4, 1 / 3]), pool=4).tolist()  # uniform draws
    [1.0, 1.0]
    >>> lure_weights(np.array([0.5, 0.25]), pool=4).round(3).tolist()  # wanted, so light; not wanted, so heavy
    [0.667, 1.333]
    """
    drawn = len(proposal)
    left = pool - np.arange(drawn, dtype=np.float64)  # N - m + 1
    ahead = np.divide(pool - drawn, left - 1.0, out=np.zeros(drawn), where=left > 1.0)
    return np.asarray(1.0 + ahead * (1.0 / (left * proposal) - 1.0))


def lure(losses: Numbers, *, proposal: Numbers, pool: int) -> Weighed:
    """What the losses, (M,) in [0, 1] in draw order, M >= 1, say of the pool of N samples. proposal: (M,) in (0, 1].

    Where samples that were drawn have no label, leave them out here and out of N: then this speaks of the pool without
    them. That is fair as long as what stays unlabelled has nothing to do with the losses.

    >>> everything = lure(np.array([1.0, 0.0]), proposal=np.array([0.9, 1.0]), pool=2)
    >>> everything.value, everything.squares.tolist(), everything.unseen
    (0.5, [0.0, 0.0], 0.0)
    """
    drawn = len(losses)
    weights = lure_weights(proposal, pool=pool)
    value = float(np.mean(weights * losses))
    left = pool - np.arange(drawn, dtype=np.float64)
    shares = np.divide(pool * (pool - drawn), (left - 1.0) * left, out=np.zeros(drawn), where=left > 1.0)
    terms = (np.cumsum(losses) - losses + losses / proposal) / pool
    return Weighed(
        value=value,
        squares=np.asarray((shares * (terms - value) / drawn) ** 2),
        effective=float(weights.sum() ** 2 / (weights**2).sum()),
        unseen=(pool - drawn) / pool,
    )


def estimate(parts: Sequence[Weighed]) -> Estimate | None:
    """The mean loss over one pool or several; None where the labels together are worth fewer than 30.

    Pools count by their effective sample size, which does not depend on the losses, so the mean stays unbiased for
    that mixture of pools.

    *The interval* is Wilson's, with the number of labels that a plain draw would need for the same variance. The
    measured variance rests on the few labels with heavy weights. It is therefore averaged with the plain one,
    ``R (1 - R) / effective``, which takes errors to be as frequent among heavy labels as among light ones: this counts
    as 2 labels, the measured one as ``(sum s)^2 / sum s^2`` of its squares s. Without it an interval that saw no
    heavy error covers 4 to 8 times in 10 (``benchmarks/bias.py``).

    >>> one = lure(np.repeat([1.0, 0.0], [10, 90]), proposal=1 / (1_000 - np.arange(100.0)), pool=1_000)
    >>> [round(number, 3) for number in estimate([one])]
    [0.1, 0.058, 0.167, 0.027, 100.0]
    """
    effective = sum(part.effective for part in parts)
    if effective < FEWEST:
        return None
    shares = [part.effective / effective for part in parts]
    value = min(1.0, sum(share * part.value for share, part in zip(shares, parts, strict=True)))
    squares = np.concatenate([share**2 * part.squares for share, part in zip(shares, parts, strict=True)])
    plain = sum(share**2 * part.unseen / part.effective for share, part in zip(shares, parts, strict=True))
    spread = float((squares**2).sum())
    evidence = float(squares.sum()) ** 2 / spread if spread > 0.0 else 0.0
    even = value * (1.0 - value)
    variance = (evidence * float(squares.sum()) + PRIOR * even * plain) / (evidence + PRIOR)
    per_label = variance / even if even > 0.0 else plain
    low, high = wilson(value, per_label=per_label)
    return Estimate(value=value, low=low, high=high, error=math.sqrt(variance), effective=effective)


def wilson(share: float, *, per_label: float) -> tuple[float, float]:
    """The 95 % interval of a share estimated with variance ``share (1 - share) per_label``; per_label: 1 / n, or 0.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA.

    >>> [round(bound, 4) for bound in wilson(0.1, per_label=1 / 100)], wilson(0.25, per_label=0.0)
    ([0.0552, 0.1744], (0.25, 0.25))
    """
    spent = float(ndtri(0.5 + CONFIDENCE / 2.0)) ** 2 * per_label
    middle = (share + spent / 2.0) / (1.0 + spent)
    half = math.sqrt(spent * share * (1.0 - share) + spent**2 / 4.0) / (1.0 + spent)
    return max(0.0, middle - half), min(1.0, middle + half)
