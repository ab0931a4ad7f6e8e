"""Which samples are the same, so that nobody is asked the same thing twice."""

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

THRESHOLD = {"char-ngrams.v1": 0.95, "features.v1": 0.999}
"""Cosine from which two samples count as one, by embedding.

Among 2 million pairs of different movie-review sentences the highest cosine of hashed character n-grams was 0.64, one
in 10,000 lay above 0.42; 0.95 joins texts that differ in case, blanks, or one character at the end of a sentence.
Feature rows of one class point the same way, hence nearly 1.
"""
BLOCK = 256
"""Rows compared at a time: memory stays at BLOCK x candidates numbers."""


def exact(contents: NDArray[np.object_], preference: Indices) -> tuple[Indices, Indices]:
    """The row that stands for each distinct content, and how many rows hold it; in order of content.

    ``contents``: (n,) digests; ``preference``: (n,) distinct ranks, of equal rows the lowest stands.
    Gives (representatives, multiplicities), both (distinct,); multiplicities sum to n.

    >>> rows, copies = exact(np.array(["b", "a", "b"], object), np.array([2, 1, 0]))
    >>> rows.tolist(), copies.tolist()
    ([1, 2], [1, 2])
    """
    if not len(contents):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    by_preference = np.argsort(preference, kind="stable")
    _, first, counts = np.unique(contents.astype(str)[by_preference], return_index=True, return_counts=True)
    return by_preference[first].astype(np.int64), counts.astype(np.int64)


def near(vectors: NDArray[np.float32], *, threshold: float) -> Indices:
    """Who stands for each row: itself, or the first earlier standing row whose cosine reaches the threshold.

    Greedy in the order given, so that of alike rows the first (the most informative) stays.
    ``vectors``: (n, d) of unit length or zero; a zero vector is like nothing. Gives (n,) indices ``owner`` with
    ``owner[owner[i]] == owner[i] <= i``.

    >>> near(np.array([[1, 0], [0, 1], [1, 0]], np.float32), threshold=0.95).tolist()
    [0, 1, 0]
    """
    owner = np.arange(len(vectors))
    stands = np.zeros(len(vectors), np.bool_)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        alike = block @ vectors[: start + len(block)].T >= threshold
        for offset in range(len(block)):
            row = start + offset
            earlier = alike[offset, :row] & stands[:row]
            stands[row] = not earlier.any()
            if not stands[row]:
                owner[row] = int(earlier.argmax())
    return owner
