"""K-center: no sample of the pool far from a labelled one."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies.chance import unscored
from loopline.select.strategies.geometry import dots, nearest
from loopline.select.strategies.ordering import completed

Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]


def k_center(vectors: Vectors, *, labelled: Vectors, wanted: int) -> Indices:
    """The rows taken one by one, each the farthest from all labelled and taken ones; without labels the first starts.

    ``vectors``: (n, d); ``labelled``: (m, d). Gives (min(wanted, n),) indices; ties go to the first. The largest
    distance left is at most twice the smallest possible. Time wanted * n * d; memory n.

    >>> square = np.array([[1, 0], [0, 1], [-1, 0]], np.float32)
    >>> k_center(square, labelled=square[:0], wanted=2).tolist()
    [0, 2]
    >>> k_center(square, labelled=square[:1], wanted=2).tolist()
    [2, 1]
    """
    far = nearest(vectors, labelled)[1] if len(labelled) else np.full(len(vectors), np.inf, np.float32)
    squares = np.square(vectors).sum(axis=1)
    picks = np.zeros(max(0, min(wanted, len(vectors))), np.int64)
    for step in range(len(picks)):
        picks[step] = pick = int(far.argmax())
        distance = squares + squares[pick] - 2.0 * dots(vectors, vectors[pick : pick + 1])[:, 0]
        np.minimum(far, np.maximum(distance, 0.0), out=far)
        far[pick] = -1.0  # an equal vector has distance 0 and is still to be had; this one is not
    return picks


def arrange(shortlist: Shortlist, wanted: int, rng: np.random.Generator) -> Arrangement:
    """The farthest first, from what has labels and what was taken."""
    del rng  # the shortlist is the uniform draw
    picks = k_center(shortlist.vectors, labelled=shortlist.labelled, wanted=wanted)
    rows = len(shortlist.vectors)
    return Arrangement(completed(picks, rows), np.arange(rows))


STRATEGY = Strategy(
    "k-center.v1", reads="", score=unscored, sign=1, arrange=arrange, factor=20, needs_labelled=True,
)  # fmt: skip
"""Greedy k-center over a uniform draw of the pool, around what has labels already.

Source: Sener, Savarese (2018), "Active learning for convolutional neural networks: a core-set approach", ICLR,
arXiv 1708.00489, algorithm 1.
"""
