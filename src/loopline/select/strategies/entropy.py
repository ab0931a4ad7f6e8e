"""Entropy: how evenly the model spreads over the classes."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Strategy
from loopline.select.strategies.margin import BLOCK, logged


def entropy(p: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shannon's ``-sum p log p`` over the last axis, in nats, in [0, log(classes)], with ``0 log 0 := 0``.

    ``p``: (..., classes) gives (...).

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)).round(4).tolist()
    [0.6931, 0.0]
    """
    rows = p.reshape(-1, p.shape[-1])
    found = np.empty(len(rows))
    size = max(1, BLOCK // max(1, p.shape[-1]))
    for start in range(0, len(rows), size):
        wide = rows[start : start + size].astype(np.float64)
        terms = np.where(wide == 0.0, 1.0, wide)
        np.log(terms, out=terms)
        np.sum(np.multiply(terms, wide, out=terms), axis=-1, out=found[start : start + size])
    return np.abs(found, out=found).reshape(p.shape[:-1])  # sums of non-positive terms; abs turns -0.0 into 0.0


STRATEGY = Strategy("entropy.v1", reads="entropy", score=logged, sign=-1)
"""The largest entropy of the answer first, in [0, log(classes)] nats, as the log holds it.

Source: Shannon (1948), "A mathematical theory of communication". With many classes it can be worse than chance: mass
spread thinly over hopeless classes counts as much as doubt between the two that matter.
"""
