"""Random-diverse: samples at random, spread over unlike ones."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies.chance import unscored
from loopline.select.strategies.clustering import clustered, turns

Indices = NDArray[np.int64]


def by_root(cluster: Indices, rng: np.random.Generator) -> Indices:
    """An order whose every beginning holds of each cluster about as many rows as the root of its size says.

    ``cluster``: (n,) cluster of each row. Gives (n,) row indices, a permutation; inside a cluster as they stand. The
    row of turn t of a cluster of s rows goes by ``(t + u) / sqrt(s)``, one u in [0, 1) a cluster: by chance, so that
    no cluster, however small, comes too often or too late.

    >>> by_root(np.array([0, 0, 0, 0, 1]), np.random.default_rng(2)).tolist()
    [0, 4, 1, 2, 3]
    """
    turn, size = turns(cluster)
    numbers = np.unique(cluster, return_inverse=True)[1]
    begins = rng.random(int(numbers.max(initial=-1)) + 1)[numbers]
    return np.argsort((turn + begins) / np.sqrt(size), kind="stable").astype(np.int64)


def arrange(shortlist: Shortlist, wanted: int, rng: np.random.Generator) -> Arrangement:
    """About as many of each cluster as the root of its size says; inside a cluster as the shortlist was drawn."""
    cluster = clustered(shortlist.vectors, wanted)
    return Arrangement(by_root(cluster, rng), cluster)


STRATEGY = Strategy("random-diverse.v1", reads="", score=unscored, sign=1, arrange=arrange, factor=10)
"""A uniform draw of the pool, spread over clusters: what a loop falls back to when uncertainty misleads it.

It asks the model nothing. Between a share in proportion to the size of a cluster, which is plain chance with less
variance, and an equal share, which leans on outliers where clusters mean little (``benchmarks/label_efficiency.py``).
Source: Bankier (1988), "Power allocations: determining sample sizes for subnational areas", The American Statistician
42, with power 1/2; the areas being clusters.
"""
