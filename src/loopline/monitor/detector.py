"""The drift alarm: an e-detector with a tolerance.

*Null*: the distribution function of the scores stays within delta of the reference everywhere. For each of 31
reference quantiles q and either side, that bounds a coin: ``P(score < q)`` is at most ``p0 = F(q) + delta`` (upper
side), at least ``F(q) - delta`` (lower side). For each of 5 jumps the tick's count k of n below q gives the
likelihood ratio ``e = (p1/p0)^k ((1-p1)/(1-p0))^(n-k)``, ``p1 = p0 +- jump``. Under the null its expectation is at
most 1, whatever happened before, since p1 lies beyond p0. Each of the 310 components adds up its evidence by
Shiryaev-Roberts, ``R_t = (1 + R_{t-1}) e_t``; the detector is their mean. ``R_t - t`` is a supermartingale, hence the
mean time to a false alarm is at least the threshold, in ticks, however often one looks.

Source: Shin, Ramdas, Rinaldo (2022), "E-detectors: a nonparametric framework for sequential change detection",
arXiv 2203.03532.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.monitor.histogram import Counts, distribution

Logs = NDArray[np.float64]

QUANTILES = 31
JUMPS = (0.02, 0.05, 0.1, 0.2, 0.4)
COMPONENTS = 2 * QUANTILES * len(JUMPS)
SECONDS_A_YEAR = 365.25 * 86_400.0
TICK_SECONDS = 300.0
"""A tick is taken to last no longer than this: slower traffic has fewer false alarms than promised, not more."""


class Coins(NamedTuple):
    """The detector's components, made from a frozen reference."""

    edge: NDArray[np.int64]
    """(31,): the inner bin edge at each quantile."""
    below: Logs
    """(2, 31, 5): log(p1 / p0), gained by each score below the edge."""
    above: Logs
    """(2, 31, 5): log((1 - p1) / (1 - p0)), gained by each other score."""


def coins(reference: Counts, *, tolerance: float) -> Coins:
    """The 310 components that watch this reference.

    A jump goes at most half of the way to certainty; a component whose null already allows everything stays at 0.

    >>> from loopline.monitor.histogram import histogram
    >>> coins(histogram(np.linspace(0, 1, 1000)), tolerance=0.05).below.shape
    (2, 31, 5)
    """
    known = distribution(reference)
    edge = np.abs(known - np.arange(1, QUANTILES + 1)[:, None] / (QUANTILES + 1)).argmin(axis=1)
    null = np.stack([known[edge] + tolerance, known[edge] - tolerance])[:, :, None]
    room = np.stack([1.0 - null[0], null[1]])
    step = np.where(room > 0.0, np.minimum(np.array(JUMPS), room / 2.0), 0.0)
    other = null + np.array([1.0, -1.0])[:, None, None] * step
    alive = np.broadcast_to((null > 0.0) & (null < 1.0), other.shape)
    null, other = np.where(alive, null, 0.5), np.where(alive, other, 0.5)
    return Coins(edge=edge, below=np.log(other / null), above=np.log1p(-other) - np.log1p(-null))


def updated(evidence: Logs, tick: Counts, watched: Coins) -> Logs:
    """The log of each component after one more tick: ``log(1 + R) + log e``, shape (310,).

    ``evidence``: (310,) logs, or empty for a detector that starts (again): R = 0.
    """
    below = np.cumsum(tick)[watched.edge][None, :, None]
    gained = below * watched.below + (int(tick.sum()) - below) * watched.above
    started = np.logaddexp(0.0, evidence) if len(evidence) else np.zeros(COMPONENTS)
    return np.asarray(started + gained.ravel())


def mixture(evidence: Logs) -> float:
    """The log of the components' mean: what is held against the threshold. 0 for a detector that starts.

    >>> round(mixture(np.log([1.0, 3.0])), 4) == round(math.log(2.0), 4)
    True
    """
    if not len(evidence):
        return 0.0
    return float(np.logaddexp.reduce(evidence)) - math.log(len(evidence))


def capped(evidence: Logs, *, threshold: float) -> Logs:
    """The evidence scaled down to the threshold, so that an alarm that lasts can end once its cause has."""
    return evidence - max(0.0, mixture(evidence) - threshold)


def ticks_a_year(seconds_per_tick: float) -> float:
    """The most ticks that a year can hold at this pace, never fewer than of five minutes each.

    >>> round(ticks_a_year(3600.0)), round(ticks_a_year(2.0))
    (105192, 15778800)
    """
    if seconds_per_tick <= 0.0:  # the log's clock did not move: nothing was measured
        return SECONDS_A_YEAR / TICK_SECONDS
    return SECONDS_A_YEAR / min(TICK_SECONDS, seconds_per_tick)


def log_threshold(*, false_alarms_per_year: float, ticks_per_year: float, signals: int) -> float:
    """The log evidence at which to alarm, for at most so many false alarms a year over all signals together.

    One detector with threshold A raises a false alarm at most every A ticks on average, so ``signals`` of them raise
    ``signals / A`` a tick: ``A = signals * ticks_per_year / false_alarms_per_year``. Raises InvalidRecord unless the
    number of alarms is positive.

    >>> round(log_threshold(false_alarms_per_year=1.0, ticks_per_year=105_192, signals=3), 2)
    12.66
    """
    if not false_alarms_per_year > 0.0:
        found = f"{false_alarms_per_year:g}"
        remedy = "a detector that never errs never speaks"
        raise InvalidRecord("monitor.false_alarms_per_year", found=found, expected="more than 0", remedy=remedy)
    return max(0.0, math.log(signals * ticks_per_year / false_alarms_per_year))
