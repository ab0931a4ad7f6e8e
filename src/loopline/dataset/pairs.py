"""Pairs of a training row and a reserve row that are too much alike: what every search for them gives."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Pairs of alike rows; every row that has a twin on the other side is in one at least. Arrays of (pairs,)."""

    row: NDArray[np.int64]
    """Place of the training row."""
    sealed: NDArray[np.int64]
    """Place of the reserve row."""
    likeness: NDArray[np.object_]
    """``Likeness`` of each."""
    similarity: NDArray[np.float64]
    """In [0, 1]."""


def alike_in(likeness: str, row: NDArray[np.int64], sealed: NDArray[np.int64], *, similarity: float = 1.0) -> Pairs:
    """These pairs, alike in this.

    >>> alike_in("inputs", np.array([3]), np.array([1])).likeness.tolist()
    ['inputs']
    """
    return Pairs(row, sealed, np.full(len(row), likeness, np.object_), np.full(len(row), similarity))


def joined(*parts: Pairs) -> Pairs:
    """All these pairs, by training row, then reserve row; of two rows paired twice, the pair of the earlier part.

    >>> one, other = np.array([0]), np.array([5])
    >>> joined(alike_in("inputs", one, other), alike_in("group", one, other)).likeness.tolist()
    ['inputs']
    """
    every = Pairs._make(np.concatenate(columns) for columns in zip(*parts, strict=True))
    _, first = np.unique(np.stack([every.row, every.sealed], axis=1), axis=0, return_index=True)
    return Pairs._make(column[first] for column in every)
