"""From a few picks to an order of all candidates."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def completed(picks: Indices, rows: int) -> Indices:
    """The picks, then all the other rows as they stand: a permutation of ``range(rows)``.

    ``picks``: distinct, in [0, rows).

    >>> completed(np.array([2, 0]), 4).tolist()
    [2, 0, 1, 3]
    """
    rest = np.ones(rows, np.bool_)
    rest[picks] = False
    return np.concatenate([np.asarray(picks, np.int64), np.flatnonzero(rest)])


def known_first(order: Indices, urgency: NDArray[np.float32]) -> Indices:
    """The order, but rows whose urgency is not a finite number last: nobody is asked on the strength of nothing.

    >>> known_first(np.array([1, 2, 0]), np.array([0.1, np.inf, 0.3], np.float32)).tolist()
    [2, 0, 1]
    """
    return order[np.argsort(~np.isfinite(urgency[order]), kind="stable")]
