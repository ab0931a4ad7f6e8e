"""The order in which samples of a pool are wanted, near duplicates folded."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.select.diversity import clusters, round_robin
from loopline.select.duplicates import near

Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]

FACTOR = 5
"""Candidates per sample of the batch, to begin with."""
PER_CLUSTER = 2
"""A batch may lean on a cluster for this many samples before more candidates are looked at."""


class Ranking(NamedTuple):
    """A pool in order of preference."""

    order: Indices
    """The samples that stand, most wanted first."""
    owner: Indices
    """For each sample of the pool, the sample that stands for it: itself, or one that is nearly identical."""


def rank(
    urgency: NDArray[np.float64],
    *,
    wanted: int,
    is_diverse: bool,
    embed: Callable[[Indices], Vectors],
    threshold: float,
) -> Ranking:
    """The pool in order of preference: the best spread over clusters, near duplicates folded, then all the rest.

    ``urgency``: (N,), smallest is most informative, in an order that does not depend on the log's (ties go by it).
    The ``5 * wanted`` most informative samples become candidates; near duplicates among them are folded into the more
    informative; the others are spread by cluster-margin when asked. While that leaves fewer than ``wanted`` samples,
    or fewer clusters than ``wanted / 2``, twice as many candidates are taken. Memory: candidates x dimensions.

    >>> square = np.array([[1, 0], [1, 0], [0, 1], [-1, 0]], np.float32)
    >>> found = rank(np.arange(4.0), wanted=2, is_diverse=False, embed=lambda at: square[at], threshold=0.95)
    >>> found.order.tolist(), found.owner.tolist()
    ([0, 2, 3], [0, 0, 2, 3])
    """
    pool = len(urgency)
    by_urgency = np.argsort(urgency, kind="stable").astype(np.int64)
    size = min(pool, FACTOR * wanted)
    while True:
        vectors = embed(by_urgency[:size])
        owner = near(vectors, threshold=threshold)
        stands = np.flatnonzero(owner == np.arange(size))
        cluster = _cluster(vectors[stands], wanted=wanted, is_diverse=is_diverse)
        enough = len(stands) >= wanted and len(np.unique(cluster)) * PER_CLUSTER >= wanted
        if size == pool or enough:
            break
        size = min(pool, 2 * size)
    owners = np.arange(pool)
    owners[by_urgency[:size]] = by_urgency[owner]
    order = np.concatenate([by_urgency[:size][stands[round_robin(cluster)]], by_urgency[size:]])
    return Ranking(order=order, owner=owners)


def _cluster(vectors: Vectors, *, wanted: int, is_diverse: bool) -> Indices:
    """The cluster of each row; without diversity each row is its own, which keeps the order as it is."""
    if not is_diverse or not len(vectors):
        return np.arange(len(vectors))
    return clusters(vectors, count=min(wanted, len(vectors)))
