"""Typical-first: the most ordinary sample of each part of the pool that has no label yet; for a cold start."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies.chance import unscored
from loopline.select.strategies.clustering import k_means, turns
from loopline.select.strategies.geometry import blocks, squared_distances

Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]

NEIGHBOURS = 20
MOST = 500
"""Clusters, at most; both as in the paper."""


def untypicality(vectors: Vectors) -> Vectors:
    """Mean distance to the nearest rows, 20 of them or half of what there are: (n, d) gives (n,); small is typical.

    >>> untypicality(np.array([[0, 0], [0, 1], [0, 3]], np.float32)).tolist()
    [1.0, 1.0, 2.0]
    """
    neighbours = min(NEIGHBOURS, max(1, len(vectors) // 2), len(vectors) - 1)
    found = np.zeros(len(vectors), np.float32)
    if neighbours > 0:
        for part in blocks(len(vectors), width=len(vectors)):
            squared = squared_distances(vectors[part], vectors)
            squared[np.arange(len(squared)), np.arange(part.start, part.stop)] = 0.0
            squared.partition(neighbours, axis=1)
            found[part] = np.sqrt(squared[:, : neighbours + 1]).sum(axis=1) / neighbours
    return found


def arrange(shortlist: Shortlist, wanted: int, rng: np.random.Generator) -> Arrangement:
    """Always from the cluster with the fewest labelled and taken samples, of these the largest, its most typical one.

    k-means makes as many clusters as there are labelled and wanted samples, at most 500, of both together.
    """
    del rng  # the shortlist is the uniform draw
    rows, labelled = len(shortlist.vectors), len(shortlist.labelled)
    if not rows:
        return Arrangement(np.arange(0), np.arange(0))
    both = np.concatenate([shortlist.vectors, shortlist.labelled])
    of_all = k_means(both, count=max(1, min(labelled + wanted, rows, MOST)))
    cluster, has_labels = of_all[:rows], np.bincount(of_all[rows:], minlength=MOST)
    far = np.zeros(rows, np.float32)
    for each in np.unique(cluster):
        inside = np.flatnonzero(cluster == each)
        far[inside] = untypicality(shortlist.vectors[inside])
    by_typicality = np.argsort(far, kind="stable")
    turn, size = (found[np.argsort(by_typicality)] for found in turns(cluster[by_typicality]))
    order = np.lexsort((far, cluster, -size, turn + has_labels[cluster]))
    return Arrangement(order.astype(np.int64), cluster)


STRATEGY = Strategy(
    "typical-first.v1", reads="", score=unscored, sign=1, arrange=arrange, factor=20, needs_labelled=True,
)  # fmt: skip
"""Typical samples of a uniform draw of the pool: for the first batches, when the model knows too little to be unsure.

Source: Hacohen, Dekel, Weinshall (2022), "Active learning on a budget: opposite strategies suit high and low budgets",
ICML, arXiv 2202.02794 (TypiClust, k-means variant).
"""
