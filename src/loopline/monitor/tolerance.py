"""How far a version's scores may stray from their reference before it counts as drift."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import gamma

from loopline.monitor.distance import dkw
from loopline.monitor.histogram import Counts, distribution

FLOOR = 0.02
"""Nobody acts on less."""
SPREADS = 3.0
REFERENCE_ALPHA = 0.01
"""Chance that the reference itself lies outside its margin."""
QUANTILES = 31
ANDERSON_DARLING_VARIANCE = 2.0 * (math.pi**2 - 9.0) / 3.0
"""Of the normalised squared gap averaged over quantiles, whose mean is 1. Anderson and Darling (1952)."""


def dispersion(ticks: Sequence[Counts]) -> float:
    """How much more clean ticks differ than independent scores would: 1 when they do not.

    The variance of the ticks' distribution functions over ``F (1 - F) / n``, averaged over 31 quantiles, divided by
    the value that independent scores exceed 5 % of the time; at least 1. Repeated inputs and daily cycles raise it.

    >>> from loopline.monitor.histogram import histogram
    >>> dispersion([histogram(np.full(50, 0.2)), histogram(np.full(50, 0.8))]) > 10
    True
    """
    if len(ticks) < 2:
        return 1.0
    pooled = distribution(np.sum(ticks, axis=0))
    at = np.abs(pooled - np.arange(1, QUANTILES + 1)[:, None] / (QUANTILES + 1)).argmin(axis=1)
    share = pooled[at]
    inside = (share > 0.0) & (share < 1.0)
    if not inside.any():
        return 1.0
    gaps = np.array([(distribution(tick)[at] - share) ** 2 * tick.sum() for tick in ticks])[:, inside]
    freedom = len(ticks) - 1
    ratio = float((gaps.sum(axis=0) / freedom / (share * (1.0 - share))[inside]).mean())
    spread = ANDERSON_DARLING_VARIANCE / freedom
    return max(1.0, ratio / float(gamma.ppf(0.95, 1.0 / spread, scale=spread)))


def tolerance(ticks: Sequence[Counts]) -> float:
    """delta: the largest of 0.02, three between-tick standard deviations, and the margin of the finite reference.

    ``ticks``: histograms of the clean ticks that make up the reference. The standard deviation is that part of the
    ticks' spread that sampling does not explain, at the median; the margin is DKW's at 99 %, for the reference's
    effective size (its size over the dispersion). In [0.02, 1].

    >>> from loopline.monitor.histogram import histogram
    >>> even = histogram(np.linspace(0, 1, 100))
    >>> round(tolerance([even] * 8), 4)  # 800 scores, ticks alike: the DKW margin
    0.0575
    """
    excess = dispersion(ticks)
    size = float(np.mean([tick.sum() for tick in ticks]))
    between = math.sqrt((excess - 1.0) * 0.25 / size)
    margin = dkw(sum(int(tick.sum()) for tick in ticks) / excess, alpha=REFERENCE_ALPHA)
    return min(1.0, max(FLOOR, SPREADS * between, margin))
