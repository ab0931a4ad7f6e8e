"""How much a model would learn from a sample, read off its own probabilities.

``p`` is always an array of shape (n, classes) whose rows sum to 1; every measure has shape (n,).
"""

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float32] | NDArray[np.float64]


def margin(p: Probabilities) -> NDArray[np.float64]:
    """The gap p1 - p2 between the two most likely classes, in [0, 1]; small is informative.

    The default measure: it matches or beats the others on 69 tabular sets (Bahri et al. 2022, arXiv 2210.03822).

    >>> margin(np.array([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])).tolist()
    [0.25, 1.0]
    """
    top = np.partition(p, -2, axis=1)[:, -2:].astype(np.float64)
    return np.asarray(top[:, 1] - top[:, 0])


def entropy(p: Probabilities) -> NDArray[np.float64]:
    """Shannon's -sum p ln p in nats, in [0, ln(classes)], with 0 ln 0 := 0; large is informative.

    Source: Shannon 1948, "A mathematical theory of communication".

    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).round(4).tolist()
    [0.0, 0.6931]
    """
    p = np.clip(p, 0.0, 1.0).astype(np.float64)
    # Where p = 0 the logarithm is of 1: the product is 0, as its limit is.
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1) + 0.0)
