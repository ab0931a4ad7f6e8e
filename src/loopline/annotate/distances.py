"""How far two answers are apart, for agreement: each gives (values, values), squared where its source squares it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def nominal(values: int) -> Numbers:
    """1 for any two different values.

    >>> nominal(2).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    return 1.0 - np.eye(values)


def interval(scale: Numbers) -> Numbers:
    """The squared difference of two numbers; ``scale``: (values,).

    >>> interval(np.array([1.0, 3.0])).tolist()
    [[0.0, 4.0], [4.0, 0.0]]
    """
    return np.asarray((scale[:, None] - scale[None, :]) ** 2, dtype=np.float64)


def ratio(scale: Numbers) -> Numbers:
    """((a - b) / (a + b))^2 of two numbers that are not negative; ``scale``: (values,). Two zeros are 0 apart.

    >>> ratio(np.array([0.0, 1.0, 3.0])).tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 0.25], [1.0, 0.25, 0.0]]
    """
    total = scale[:, None] + scale[None, :]
    apart = np.divide(scale[:, None] - scale[None, :], total, out=np.zeros_like(total), where=total != 0)
    return np.asarray(apart**2, dtype=np.float64)


def ordinal(totals: Numbers) -> Numbers:
    """The squared difference of mid-ranks: how many answers lie between two values, and half of those on them.

    ``totals``: (..., values), how many answers each value got in all, in the order of the scale; any number of such
    rows gives as many matrices (..., values, values). Source: Krippendorff 2011, section D: (sum_{g=c..k} n_g - (n_c +
    n_k) / 2)^2.

    >>> ordinal(np.array([2.0, 4.0])).tolist()
    [[0.0, 9.0], [9.0, 0.0]]
    """
    rank = totals.cumsum(axis=-1) - totals / 2
    return np.asarray((rank[..., :, None] - rank[..., None, :]) ** 2, dtype=np.float64)


def masi(sets: Sequence[frozenset[str]]) -> Numbers:
    """One minus Jaccard's index times how alike two sets are built; two empty sets are 0 apart.

    The second factor is 1 for equal sets, 2/3 where one holds the other, 1/3 where they only overlap, 0 where they
    share nothing. In [0, 1], shape (sets, sets). Source: Passonneau 2006, Measuring Agreement on Set-valued Items
    (MASI), LREC.

    >>> masi([frozenset("a"), frozenset("ab"), frozenset("c")]).round(2).tolist()
    [[0.0, 0.67, 1.0], [0.67, 0.0, 1.0], [1.0, 1.0, 0.0]]
    """
    members = sorted(frozenset[str]().union(*sets))
    holds = np.array([[member in one for member in members] for one in sets], dtype=np.float64)
    holds = holds.reshape(len(sets), len(members))
    size, both = holds.sum(axis=1), holds @ holds.T
    either = size[:, None] + size[None, :] - both
    is_equal = either == both
    is_within = (both == size[:, None]) | (both == size[None, :])
    alike = np.select([is_equal, both == 0, is_within], [1.0, 0.0, 2 / 3], default=1 / 3)
    jaccard = np.divide(both, either, out=np.ones_like(both), where=either > 0)
    return np.asarray(1.0 - jaccard * alike, dtype=np.float64)
