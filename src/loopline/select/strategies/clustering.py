"""Clusters of candidates, and taking turns among them."""

import math

import faiss
import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]

ITERATIONS = 10
SEED = 1_234
"""Of k-means: fixed, so that clusters are a function of the candidates alone and chance enters only in the draw."""
THREADS = 2
"""Of k-means, whatever the machine has: how a sum is cut among threads may decide its last bit."""
POINTS = 16
"""Rows a cluster that k-means learns from, at most; five to ten candidates a sample are all looked at."""
AT_ONCE = 1_024
"""Clusters looked for at once, at most; more are looked for inside coarse ones, since the cost is rows x clusters."""


def k_means(vectors: Vectors, *, count: int) -> Indices:
    """The cluster of each row: (n,) numbers in [0, count); some may stay empty.

    ``vectors``: (n, d) float32, n >= count >= 1. Seed and threads are fixed: same vectors, same clusters.
    Source: Johnson, Douze, Jegou (2019), "Billion-scale similarity search with GPUs", arXiv 1702.08734 (faiss).

    >>> found = k_means(np.array([[0, 1], [1, 0], [0, 1], [1, 0]], np.float32), count=2)
    >>> bool(found[0] == found[2] != found[1] == found[3])
    True
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(THREADS)
    try:
        rows = np.ascontiguousarray(vectors, np.float32)
        means = faiss.Kmeans(
            rows.shape[1], count, niter=ITERATIONS, seed=SEED,
            min_points_per_centroid=1, max_points_per_centroid=POINTS,
        )  # fmt: skip
        means.train(rows)
        return np.asarray(means.assign(rows)[1], np.int64)
    finally:
        faiss.omp_set_num_threads(threads)


def clustered(vectors: Vectors, wanted: int) -> Indices:
    """The cluster of each candidate, (n,): about as many clusters as samples are wanted, exactly so up to 1,024.

    Made anew of the candidates themselves: uncertain samples crowd together, so that clusters of the whole pool put
    most of a shortlist into a few of them and could not spread the batch. Beyond 1,024 the candidates are parted
    coarsely first, and each part gets its share of the clusters: 50,000 candidates take seconds.

    >>> clustered(np.eye(3, dtype=np.float32), 1).tolist()
    [0, 0, 0]
    """
    rows = len(vectors)
    count = min(wanted, rows)
    if count <= AT_ONCE:
        return k_means(vectors, count=count) if count > 0 else np.arange(rows)
    coarse = k_means(vectors, count=math.isqrt(count))
    fine = np.zeros(rows, np.int64)
    for part in np.unique(coarse):
        inside = np.flatnonzero(coarse == part)
        share = min(max(1, round(count * len(inside) / rows)), AT_ONCE)
        fine[inside] = part * AT_ONCE + k_means(vectors[inside], count=share)
    return fine


def turns(cluster: Indices) -> tuple[Indices, Indices]:
    """For each row its turn within its cluster, from 0 in the order given, and the size of the cluster: (n,), (n,).

    >>> turn, size = turns(np.array([7, 7, 3, 7, 3]))
    >>> turn.tolist(), size.tolist()
    ([0, 1, 0, 2, 1], [3, 3, 2, 3, 2])
    """
    _, inverse, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    by_cluster = np.argsort(inverse, kind="stable")
    turn = np.empty(len(cluster), np.int64)
    turn[by_cluster] = np.arange(len(cluster)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return turn, sizes[inverse].astype(np.int64)
