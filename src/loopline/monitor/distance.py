"""How far two distributions lie apart, and how grave that is. Displayed; never alarmed on."""

import math

import numpy as np

from loopline.monitor.histogram import Counts, distribution

ALPHA = 0.05
"""Chance that the upper bound of a tick's distance is too low."""
GRAVE = 0.3
"""Distance at which severity is full."""


def dkw(n: float, *, alpha: float) -> float:
    """How far the distribution function of n independent scores may lie from the true one, anywhere.

    ``sqrt(log(2 / alpha) / (2 n))``, at most 1: exceeded with probability at most alpha.
    Source: Dvoretzky, Kiefer, Wolfowitz (1956); constant by Massart (1990), Ann. Probab.

    >>> round(dkw(800, alpha=0.05), 3)
    0.048
    """
    return min(1.0, math.sqrt(math.log(2.0 / alpha) / (2.0 * n)))


def distance(latest: Counts, reference: Counts) -> float:
    """The Kolmogorov-Smirnov distance: the largest gap between the distribution functions, in [0, 1].

    Source: Kolmogorov (1933); Smirnov (1939).

    >>> from loopline.monitor.histogram import histogram
    >>> distance(histogram(np.array([0.1, 0.2])), histogram(np.array([0.1, 0.8])))
    0.5
    """
    return float(np.abs(distribution(latest) - distribution(reference)).max())


def distance_upper(latest: Counts, reference: Counts) -> float:
    """Upper 95 % bound of the distance between what is behind the latest scores and the reference, in [0, 1].

    The distance plus the DKW margin of the latest; the reference's own margin is part of the tolerance.
    """
    return min(1.0, distance(latest, reference) + dkw(int(latest.sum()), alpha=ALPHA))


def severity(upper: float, *, tolerance: float) -> float:
    """How grave a drift is, in [0, 1]: ``clip((upper - tolerance) / (0.3 - tolerance), 0, 1)``.

    >>> severity(0.175, tolerance=0.05), severity(0.04, tolerance=0.05), severity(0.9, tolerance=0.05)
    (0.5, 0.0, 1.0)
    """
    if tolerance >= GRAVE:
        return float(upper > tolerance)
    return round(min(1.0, max(0.0, (upper - tolerance) / (GRAVE - tolerance))), 12)
