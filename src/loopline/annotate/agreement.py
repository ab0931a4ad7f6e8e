"""How far people agree beyond chance."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Agreement(NamedTuple):
    """Krippendorff's alpha and what it rests on."""

    alpha: float
    """At most 1; 0 is chance; NaN when nothing was answered twice or everybody said one and the same thing."""
    samples: int
    """Samples with two or more answers."""


def krippendorff_alpha(votes: NDArray[np.float64]) -> Agreement:
    """One minus observed over expected disagreement, for labels without an order.

    ``votes``: (samples, classes), how many people gave each label. With n_uc the votes of sample u for c, n_u its
    votes, n_c all votes for c, n all votes, over samples with n_u >= 2: D_o = 1 - 1/n sum_u sum_c n_uc (n_uc - 1) /
    (n_u - 1), D_e = 1 - sum_c n_c (n_c - 1) / (n (n - 1)), alpha = 1 - D_o / D_e.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C.

    >>> krippendorff_alpha(np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 3.0], [1.0, 0.0]]))
    Agreement(alpha=1.0, samples=3)
    """
    paired = votes[votes.sum(axis=1) >= 2]
    if len(paired) == 0:
        return Agreement(math.nan, 0)
    per_sample, per_class, n = paired.sum(axis=1), paired.sum(axis=0), paired.sum()
    observed = 1.0 - float(((paired * (paired - 1)).sum(axis=1) / (per_sample - 1)).sum() / n)
    expected = 1.0 - float((per_class * (per_class - 1)).sum() / (n * (n - 1)))
    if expected == 0:
        return Agreement(math.nan, len(paired))
    return Agreement(1.0 - observed / expected, len(paired))
