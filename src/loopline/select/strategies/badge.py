"""BADGE: samples whose gradients are large and point different ways."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies.geometry import dots
from loopline.select.strategies.margin import logged
from loopline.select.strategies.ordering import completed, known_first

Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]

TOLERANCE = 1e-6
"""Squared distances below this share of the squared lengths are rounding: the same gradient."""


def residuals(p: Vectors) -> Vectors:
    """The gradient by the logits, were the answer right: ``p - onehot(argmax p)``, (n, classes); 0 where NaN.

    >>> residuals(np.array([[0.75, 0.25]], np.float32)).tolist()
    [[-0.25, 0.25]]
    """
    found = p - np.eye(p.shape[1], dtype=np.float32)[p.argmax(axis=1)]
    found[~np.isfinite(p).all(axis=1)] = 0.0
    return np.asarray(found)


def badge(p: Vectors, vectors: Vectors, *, wanted: int, rng: np.random.Generator) -> Indices:
    """Rows drawn by k-means++ on the gradients ``g_i = a_i (x) x_i`` of the last layer, ``a = residuals(p)``.

    ``p``: (n, classes); ``vectors``: (n, d). The first is the longest gradient; each next is drawn with a chance in
    proportion to its squared distance from those drawn. The gradients, of classes * d numbers, are never built: their
    products factor, ``<g_i, g_j> = <a_i, a_j> <x_i, x_j>``. Gives at most min(wanted, n) indices: it stops when every
    row left equals one that was drawn. Time wanted * n * (classes + d); memory n * classes.

    >>> p = np.full((3, 2), 0.5, np.float32)
    >>> badge(p, np.array([[1, 0], [1, 0], [0, 1]], np.float32), wanted=2, rng=np.random.default_rng(0)).tolist()
    [0, 2]
    """
    a = residuals(p)
    length = np.square(a).sum(axis=1, dtype=np.float64) * np.square(vectors).sum(axis=1, dtype=np.float64)
    nearness = np.full(len(p), np.inf)
    picks: list[int] = []
    pick = int(length.argmax()) if len(p) else 0
    while len(picks) < min(wanted, len(p)):
        picks.append(pick)
        products = dots(a, a[pick : pick + 1])[:, 0].astype(np.float64) * dots(vectors, vectors[pick : pick + 1])[:, 0]
        distance = length + length[pick] - 2.0 * products
        distance[distance < TOLERANCE * (length + length[pick])] = 0.0
        np.minimum(nearness, distance, out=nearness)
        nearness[pick] = 0.0  # whatever rounding says, nothing is drawn twice
        mass = np.cumsum(nearness)
        if not mass[-1] > 0.0:
            break
        by_chance = np.searchsorted(mass, rng.random() * mass[-1], side="right")
        pick = min(int(by_chance), int(nearness.nonzero()[0][-1]))  # the product may round up to the whole mass
    return np.array(picks, np.int64)


def arrange(shortlist: Shortlist, wanted: int, rng: np.random.Generator) -> Arrangement:
    """As k-means++ draws the gradients; the rest, and what has no urgency, after them."""
    picks = badge(shortlist.probabilities, shortlist.vectors, wanted=wanted, rng=rng)
    rows = len(shortlist.vectors)
    return Arrangement(known_first(completed(picks, rows), shortlist.urgency), np.arange(rows))


STRATEGY = Strategy("badge.v1", reads="margin", score=logged, sign=1, arrange=arrange, factor=10)
"""BADGE over the smallest margins.

Source: Ash et al. (2020), "Deep batch active learning by diverse, uncertain gradient lower bounds", ICLR,
arXiv 1906.03671, algorithm 1; the embedding stands for the last hidden layer.
"""
