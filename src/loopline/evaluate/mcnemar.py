"""Exact one-sided bounds for the difference of two accuracies measured on the same rows.

Of ``n`` rows, ``gains`` are right only with the challenger and ``losses`` only with the incumbent. The difference of
the accuracies is ``(gains - losses) / n``; the counts are trinomial, and how often the two models disagree at all is a
nuisance that an exact method has to survive at its worst.

The bound is Buehler's: rank all outcomes (gains, losses) by an approximate bound, call R the outcomes ranked at least
as high as the one seen, and take the smallest difference at which R still has probability alpha for some disagreement:

    lower = inf { d : sup over q of P(R | p10 = q + d, p01 = q) > alpha }

It covers the truth with probability >= 1 - alpha whatever the rates are, and it is the largest bound with that ranking
which does. Outcomes are ranked by Tango's score bound, which is already close, so little is given away.

Sources: Tango, Statistics in Medicine 17 (1998) 891-908 (score bound); Lloyd and Moldovan, Statistics in Medicine 26
(2007) 3369-3384 (exact one-sided limits for correlated proportions by Buehler's method); Buehler, JASA 52 (1957) 482.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, gammaln, ndtri, xlog1py, xlogy

Floats = NDArray[np.float64]

_EDGE = 1e-9
_GRID = 49
_SPREAD = 5.5  # standard deviations of the number of disagreements that are summed over: leaves out less than 4e-8


def lower_bound(gains: int, losses: int, *, n: int, alpha: float) -> float:
    """The exact lower bound of challenger minus incumbent accuracy, in [-1, 1].

    The chance that it exceeds the true difference is at most ``alpha``. ``upper_bound`` is its mirror image.

    >>> round(lower_bound(60, 30, n=400, alpha=0.05), 3)  # observed 0.075; the score bound says 0.037
    0.035
    """
    ranked = score_bound(gains, losses, n=n, alpha=alpha)
    least = least_gains(n, difference=ranked, alpha=alpha)
    least[gains + losses] = min(int(least[gains + losses]), gains)

    def excess(difference: float) -> float:
        return largest_probability(least, difference=difference) - alpha

    low, high, step = ranked, ranked, max(0.25 / n, 1e-4)
    while low > -1.0 and excess(low) > 0:
        low, step = max(low - step, -1.0), step * 2
    if low == -1.0:
        return -1.0
    step = max(0.25 / n, 1e-4)
    while excess(high) <= 0:
        high, step = min(high + step, 1.0), step * 2
    return float(brentq(excess, low, high, xtol=1e-7)) if low < high else low


def upper_bound(gains: int, losses: int, *, n: int, alpha: float) -> float:
    """The exact upper bound of challenger minus incumbent accuracy, in [-1, 1].

    >>> upper_bound(3, 9, n=100, alpha=0.05) == -lower_bound(9, 3, n=100, alpha=0.05)
    True
    """
    return -lower_bound(losses, gains, n=n, alpha=alpha)


def score_bound(gains: int, losses: int, *, n: int, alpha: float) -> float:
    """Tango's approximate lower bound: the difference at which the score statistic equals the normal quantile."""
    quantile = -float(ndtri(alpha))

    def excess(difference: float) -> float:
        return float(score(np.float64(gains), np.float64(losses), n=n, difference=difference)) - quantile

    if excess(-1 + _EDGE) <= 0:
        return -1.0
    return 1 - _EDGE if excess(1 - _EDGE) >= 0 else float(brentq(excess, -1 + _EDGE, 1 - _EDGE, xtol=1e-12))


def score(gains: Floats | np.float64, losses: Floats | np.float64, *, n: int, difference: float) -> Floats:
    """How many standard errors the observed difference lies above ``difference`` (Tango 1998).

    Same shape as ``gains``; the variance uses the likeliest disagreement rate under that difference.
    At difference 0 it is McNemar's statistic:

    >>> float(score(np.float64(9), np.float64(0), n=50, difference=0.0))
    3.0
    """
    b = (2 * n - gains + losses) * difference - gains - losses
    c = -losses * difference * (1 - difference)
    rate = (np.sqrt(np.maximum(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * rate + difference * (1 - difference))
    surplus = gains - losses - n * difference
    with np.errstate(divide="ignore", invalid="ignore"):
        # Without any variance the outcome is certain under that difference: on it, above it, or below it.
        return np.where(variance > 1e-12, surplus / np.sqrt(np.maximum(variance, 1e-300)), np.sign(surplus) * np.inf)


def least_gains(n: int, *, difference: float, alpha: float) -> NDArray[np.int64]:
    """For each number of disagreements 0..n, the fewest gains whose score against ``difference`` reaches the quantile.

    Shape (n + 1,); one more than the disagreements where no number of gains does. Score grows with gains, so that
    halving finds it.
    """
    quantile = -float(ndtri(alpha)) - 1e-9
    disagreements = np.arange(n + 1, dtype=np.float64)
    low, high = np.zeros(n + 1), disagreements + 1
    for _ in range(math.ceil(math.log2(n + 2)) + 1):
        middle = np.minimum(np.floor((low + high) / 2), disagreements)
        reached = score(middle, disagreements - middle, n=n, difference=difference) >= quantile
        undecided = low < high
        high = np.where(undecided & reached, middle, high)
        low = np.where(undecided & ~reached, middle + 1, low)
    return high.astype(np.int64)


def probability(least: NDArray[np.int64], *, difference: float, rate: Floats) -> Floats:
    """The chance of an outcome with at least ``least[gains + losses]`` gains, for each loss rate.

    ``least``: (n + 1,); ``rate``: (k,), the probability of a loss, ``rate + difference`` that of a gain. Gives (k,).
    The number of disagreements is binomial, and so are the gains among them.

    >>> float(probability(np.array([1, 1, 2]), difference=0.0, rate=np.array([0.5]))[0])  # both of two rows gained
    0.25
    """
    n = len(least) - 1
    gain = np.clip(rate + difference, 0.0, 1.0)
    disagree = np.clip(rate + gain, 0.0, 1.0)
    half = math.ceil(_SPREAD * math.sqrt(n * float(np.max(disagree * (1 - disagree)))) + 6)
    centre = np.rint(n * disagree).astype(np.int64)
    m = centre[:, None] + np.arange(-half, half + 1)[None, :]
    held = (m >= 0) & (m <= n)
    m = np.where(held, m, 0)
    log_choose = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    mass = np.exp(log_choose + xlogy(m, disagree[:, None]) + xlog1py(n - m, -disagree[:, None]))
    share = np.divide(gain, disagree, out=np.full_like(gain, 0.5), where=disagree > 0)[:, None]
    needed = least[m]
    inner = (needed > 0) & (needed <= m)
    tail = np.where(inner, betainc(np.where(inner, needed, 1), np.where(inner, m - needed + 1, 1), share), needed <= 0)
    return np.asarray(np.minimum(np.where(held, mass * tail, 0.0).sum(axis=1), 1.0), dtype=np.float64)


def largest_probability(least: NDArray[np.int64], *, difference: float) -> float:
    """The supremum over the disagreement rate of ``probability``, on a grid that is densest where rates are small."""
    low, high = max(0.0, -difference), (1 - difference) / 2
    rate = low + (high - low) * np.linspace(0.0, 1.0, _GRID) ** 2
    return float(probability(least, difference=difference, rate=rate).max())
