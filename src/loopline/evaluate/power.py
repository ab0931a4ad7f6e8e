"""The chance that a challenger which equals the incumbent passes: what a gate of this size can see at all."""

import numpy as np
from scipy.special import ndtr, ndtri

from loopline.evaluate.mcnemar import least_gains, probability


def power_of_accuracy(n: int, *, alpha: float, margin: float, discordance: float) -> float:
    """The chance, in [0, 1], that two equally accurate models give a lower bound above ``-margin`` on ``n`` rows.

    ``discordance``: the share of rows that exactly one of them gets right, in (0, 1]. Computed for the score test that
    ranks the outcomes in ``mcnemar``; the exact bound differs from it by a count or so.

    At a margin of one point, with one row in twenty discordant:

    >>> [round(power_of_accuracy(n, alpha=0.05, margin=0.01, discordance=0.05), 2) for n in (500, 5000)]
    [0.25, 0.93]
    """
    least = least_gains(n, difference=-margin, alpha=alpha)
    return float(probability(least, difference=0.0, rate=np.array([min(discordance, 1.0) / 2]))[0])


def power_of_mean(standard_error: float, *, alpha: float, margin: float) -> float:
    """The same for a metric whose difference is about normal with this standard error: Phi(margin / se - z).

    >>> round(power_of_mean(0.01, alpha=0.05, margin=0.01), 2)
    0.26
    """
    if standard_error <= 0:
        return 1.0 if margin > 0 else 0.0
    return float(ndtr(margin / standard_error + ndtri(alpha)))
