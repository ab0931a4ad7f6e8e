"""Which few rows resemble all the others most: greedy cover by a kernel."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from loopline.select.strategies.geometry import BLOCK, blocks, dots

Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]
Kernel = Callable[[Vectors], Vectors]
"""Cosines in [-1, 1] -> likeness in [0, 1], of the same shape; it may write into what it is given."""

AT_ONCE = 16
"""Gains brought up to date together, at first: one product of matrices costs less than as many of vectors."""
TOLERANCE = 1e-6
"""Gains below this share of the first are rounding: all is covered."""


def covered_by(labelled: Vectors, vectors: Vectors, kernel: Kernel) -> Vectors:
    """How well each of (n, d) is covered by the (m, d) labelled ones, ``max_l k(x, l)``: (n,) in [0, 1]; 0 by none.

    >>> square = np.array([[1, 0], [0, 1]], np.float32)
    >>> covered_by(square[:1], square, lambda cosine: cosine).tolist()
    [1.0, 0.0]
    """
    covered = np.zeros(len(vectors), np.float32)
    for part in blocks(len(vectors), width=len(labelled)):
        covered[part] = kernel(dots(vectors[part], labelled)).max(axis=1, initial=0.0)
    return covered


def cover(vectors: Vectors, *, weights: Vectors, kernel: Kernel, covered: Vectors, wanted: int) -> Indices:
    """The rows taken one by one, each adding most to ``F(S) = sum_i w_i max(covered_i, max_s k(x_i, x_s))``.

    ``vectors``: (n, d) of unit length or zero; ``weights``: (n,) not negative; ``covered``: (n,) in [0, 1]. Gives
    at most min(wanted, n) indices: it stops when nothing is left to gain. Ties go to the first. F is submodular: a
    gain never grows, so that only rows whose old gain leads are looked at again, and the result is at least 1 - 1/e of
    the best. Time n * n * d for the first gains; memory a few blocks.
    Source: Nemhauser, Wolsey, Fisher (1978), Mathematical Programming 14; Minoux (1978), "Accelerated greedy
    algorithms for maximizing submodular set functions".

    >>> line = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    >>> one = np.ones(3, np.float32)
    >>> cover(line, weights=one, kernel=lambda cosine: cosine, covered=0 * one, wanted=2).tolist()
    [1, 2]
    """
    covered = covered.copy()

    def gains(at: Indices) -> NDArray[np.float64]:
        more = kernel(dots(vectors[at], vectors))
        more -= covered
        np.maximum(more, 0.0, out=more)
        more *= weights
        return np.asarray(more.sum(axis=1), np.float64)

    rows, most = np.arange(len(vectors)), max(AT_ONCE, BLOCK // max(1, len(vectors)))
    gain = np.concatenate([np.zeros(0), *(gains(rows[part]) for part in blocks(len(rows), width=len(rows)))])
    nothing = TOLERANCE * gain.max(initial=0.0)
    seen = np.zeros(len(vectors), np.int64)
    picks: list[int] = []
    while len(picks) < min(wanted, len(vectors)):
        few = AT_ONCE
        while seen[gain.argmax()] != len(picks):
            stale = np.flatnonzero((seen != len(picks)) & (gain > -np.inf))
            at = stale[np.argpartition(-gain[stale], min(few, len(stale)) - 1)[:few]]
            gain[at], seen[at], few = gains(at), len(picks), min(2 * few, most)
        pick = int(gain.argmax())
        if gain[pick] <= nothing:
            break
        picks.append(pick)
        gain[pick] = -np.inf
        np.maximum(covered, kernel(dots(vectors, vectors[pick : pick + 1]))[:, 0], out=covered)
    return np.array(picks, np.int64)
