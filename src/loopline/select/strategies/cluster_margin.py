"""Cluster-margin: the most uncertain samples, spread over unlike ones."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies.clustering import clustered, turns
from loopline.select.strategies.margin import logged
from loopline.select.strategies.ordering import known_first

Indices = NDArray[np.int64]


def round_robin(cluster: Indices) -> Indices:
    """The order in which cluster-margin takes rows: one from each cluster a round, smallest cluster first.

    ``cluster``: (n,) cluster of each row, rows given most informative first, which is also the order inside a
    cluster; clusters of equal size go by their most informative row. Gives (n,) row indices, a permutation.

    >>> round_robin(np.array([0, 0, 1, 0, 1])).tolist()
    [2, 0, 4, 1, 3]
    """
    turn, size = turns(cluster)
    _, first, inverse = np.unique(cluster, return_index=True, return_inverse=True)
    return np.lexsort((first[inverse], size, turn)).astype(np.int64)


def arrange(shortlist: Shortlist, wanted: int, rng: np.random.Generator) -> Arrangement:
    """One from each cluster a round, the smallest cluster first, the smallest margin first inside; unknown last."""
    del rng  # nothing here is left to chance
    cluster = clustered(shortlist.vectors, wanted)
    return Arrangement(known_first(round_robin(cluster), shortlist.urgency), cluster)


STRATEGY = Strategy("cluster-margin.v1", reads="margin", score=logged, sign=1, arrange=arrange)
"""The smallest margins, round-robin over clusters: the default.

Source: Citovsky et al. (2021), "Batch active learning at scale", NeurIPS, arXiv 2107.14263, algorithm 1; clusters by
k-means instead of average linkage, whose cost is quadratic.
"""
