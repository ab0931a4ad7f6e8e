"""Medians of paired ratios, with what chance leaves open."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 10_000
SEED = 0


class Middle(NamedTuple):
    """A median and its interval."""

    value: float
    low: float
    high: float


def median_ratio(over: Sequence[float], under: Sequence[float]) -> Middle:
    """The median of the paired ratios, with its 95 % percentile-bootstrap interval over the pairs.

    >>> median_ratio([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    Middle(value=2.0, low=2.0, high=2.0)
    """
    ratios = np.array(over, float) / np.array(under, float)
    drawn = np.random.default_rng(SEED).choice(ratios, size=(RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return Middle(float(np.median(ratios)), float(low), float(high))
