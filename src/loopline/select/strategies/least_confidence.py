"""Least confidence: how little the model trusts its own answer."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Strategy
from loopline.select.strategies.margin import logged


def least_confidence(top: NDArray[np.float32]) -> NDArray[np.float32]:
    """``1 - p1``, p1 the probability of the most likely class: (n,) in [0, 1] gives (n,) in [0, 1 - 1/classes].

    >>> least_confidence(np.array([0.5, 1.0], np.float32)).tolist()
    [0.5, 0.0]
    """
    return np.asarray(np.float32(1.0) - logged(top))


STRATEGY = Strategy("least-confidence.v1", reads="top", score=least_confidence, sign=-1)
"""The largest ``1 - p1`` first.

Source: Lewis, Gale (1994), "A sequential algorithm for training text classifiers", SIGIR, arXiv cmp-lg/9407020.
"""
