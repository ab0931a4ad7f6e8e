"""Spread the batch over unlike samples: cluster-margin."""

import faiss
import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

ITERATIONS = 10
SEED = 1_234
"""Of k-means: fixed, so that clusters are a function of the candidates alone and chance enters only in the draw."""


def clusters(vectors: NDArray[np.float32], *, count: int) -> Indices:
    """The k-means cluster of each row: (n,) numbers in [0, count); some may stay empty.

    ``vectors``: (n, d) float32, n >= count >= 1. One thread, fixed seed: same vectors, same clusters.
    Source: Johnson, Douze, Jegou (2019), "Billion-scale similarity search with GPUs", IEEE Trans. Big Data (faiss).

    >>> found = clusters(np.array([[0, 1], [1, 0], [0, 1], [1, 0]], np.float32), count=2)
    >>> bool(found[0] == found[2] != found[1] == found[3])
    True
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        rows = np.ascontiguousarray(vectors, np.float32)
        means = faiss.Kmeans(
            rows.shape[1], count, niter=ITERATIONS, seed=SEED,
            min_points_per_centroid=1, max_points_per_centroid=len(rows),
        )  # fmt: skip
        means.train(rows)
        return np.asarray(means.assign(rows)[1], np.int64)
    finally:
        faiss.omp_set_num_threads(threads)


def round_robin(cluster: Indices) -> Indices:
    """The order in which cluster-margin takes rows: one from each cluster a round, smallest cluster first.

    ``cluster``: (n,) cluster of each row, rows given most informative first, which is also the order inside a
    cluster; clusters of equal size go by their most informative row. Gives (n,) row indices, a permutation.
    Source: Citovsky et al. (2021), "Batch active learning at scale", NeurIPS, arXiv 2107.14263, algorithm 1.

    >>> round_robin(np.array([0, 0, 1, 0, 1])).tolist()
    [2, 0, 4, 1, 3]
    """
    _, first, inverse, sizes = np.unique(cluster, return_index=True, return_inverse=True, return_counts=True)
    by_cluster = np.argsort(inverse, kind="stable")
    starts = np.cumsum(sizes) - sizes
    turn = np.empty(len(cluster), np.int64)
    turn[by_cluster] = np.arange(len(cluster)) - np.repeat(starts, sizes)
    return np.lexsort((first[inverse], sizes[inverse], turn)).astype(np.int64)
