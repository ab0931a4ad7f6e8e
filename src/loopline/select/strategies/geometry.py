"""Products and distances of many vectors, in blocks that bound memory and give the same bits at any thread count."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]

BLOCK = 1 << 22
"""Numbers of a block: 16 MB of float32, so that a few at a time stay below 64 MB."""


def blocks(rows: int, *, width: int) -> Iterator[slice]:
    """Slices that cover ``rows`` rows of ``width`` numbers each, a block at a time.

    >>> [(part.start, part.stop) for part in blocks(5, width=BLOCK // 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    size = max(2, BLOCK // max(1, width))
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


def dots(rows: Vectors, others: Vectors) -> Vectors:
    """The inner products: (n, d) and (m, d) give (n, m).

    A product with a single vector goes around BLAS, which cuts the sum itself among its threads there, so that the
    last bits would depend on how many there are. (It takes no longer: memory is the limit.)

    >>> dots(np.array([[1, 2], [0, 1]], np.float32), np.array([[3, 4]], np.float32)).tolist()
    [[11.0], [4.0]]
    """
    if min(len(rows), len(others)) < 2:
        return np.asarray(np.einsum("nd,md->nm", rows, others))
    return np.asarray(rows @ others.T)


def squared_distances(rows: Vectors, others: Vectors) -> Vectors:
    """The squared Euclidean distances: (n, d) and (m, d) give (n, m), not negative.

    >>> squared_distances(np.array([[1, 0], [0, 0]], np.float32), np.array([[0, 1]], np.float32)).tolist()
    [[2.0], [1.0]]
    """
    found = dots(rows * -2.0, others)  # exact, as doubling always is, and shorter than doubling the products
    found += np.square(rows).sum(axis=1)[:, None]
    found += np.square(others).sum(axis=1)
    return np.maximum(found, 0.0, out=found)


def nearest(rows: Vectors, others: Vectors) -> tuple[Indices, Vectors]:
    """For each of (n, d) the nearest of (m, d), m >= 1, and its squared distance: (n,) and (n,). Ties: the first.

    >>> at, squared = nearest(np.array([[1, 0], [0, 1]], np.float32), np.array([[0, 1], [1, 0]], np.float32))
    >>> at.tolist(), squared.tolist()
    ([1, 0], [0.0, 0.0])
    """
    at, squared = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.float32)
    for part in blocks(len(rows), width=len(others)):
        found = squared_distances(rows[part], others)
        at[part] = found.argmin(axis=1)
        squared[part] = found[np.arange(len(found)), at[part]]
    return at, squared
