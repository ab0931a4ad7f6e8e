"""Uncertainty herding: samples that stand for where the model is unsure, at any number of labels."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies.chance import unscored
from loopline.select.strategies.coverage import cover, covered_by
from loopline.select.strategies.geometry import blocks, squared_distances
from loopline.select.strategies.margin import margin
from loopline.select.strategies.ordering import completed

Vectors = NDArray[np.float32]

WIDEST, NARROWEST = 1.0, 0.05
"""Bounds of the radius, for unit vectors: two at right angles lie 1.41 apart."""


def gaussian(cosines: Vectors, *, radius: float) -> Vectors:
    """``exp(-|x - y|^2 / (2 radius^2))`` of unit vectors with these cosines, in (0, 1]; any shape, in place.

    >>> gaussian(np.array([1.0, 0.0], np.float32), radius=1.0).astype(float).round(4).tolist()
    [1.0, 0.3679]
    """
    cosines -= 1.0
    cosines /= np.float32(radius * radius)
    return np.exp(np.minimum(cosines, 0.0, out=cosines), out=cosines)


def radius_of(labelled: Vectors) -> float:
    """How far a label reaches: the median distance between a labelled sample and the nearest other, in [0.05, 1].

    ``labelled``: (m, d). 1 while there are fewer than two. It shrinks as labels grow dense: with few labels the
    strategy covers the pool, with many it goes by uncertainty.

    >>> round(radius_of(np.array([[1, 0], [0.8, 0.6]], np.float32)), 4)  # the root of 0.4
    0.6325
    """
    if len(labelled) < 2:
        return WIDEST
    found = np.zeros(len(labelled), np.float32)
    for part in blocks(len(labelled), width=len(labelled)):
        squared = squared_distances(labelled[part], labelled)
        squared[np.arange(len(squared)), np.arange(part.start, part.stop)] = np.inf
        found[part] = squared.min(axis=1)
    return float(np.clip(np.median(np.sqrt(found)), NARROWEST, WIDEST))


def arrange(shortlist: Shortlist, wanted: int, rng: np.random.Generator) -> Arrangement:
    """As each adds most to ``sum_i n_i u_i max_s k(x_i, x_s)``, u = 1 - margin, k Gaussian, labelled ones in S.

    n_i are the rows of the log that candidate i holds. A candidate without usable probabilities weighs nothing.
    """
    del rng  # the shortlist is the uniform draw
    kernel = partial(gaussian, radius=radius_of(shortlist.labelled))
    unsure = np.nan_to_num(1.0 - margin(shortlist.probabilities), posinf=0.0, neginf=0.0)
    picks = cover(
        shortlist.vectors,
        weights=np.maximum(unsure, 0.0).astype(np.float32) * shortlist.multiplicity.astype(np.float32),
        kernel=kernel,
        covered=covered_by(shortlist.labelled, shortlist.vectors, kernel),
        wanted=wanted,
    )
    rows = len(shortlist.vectors)
    return Arrangement(completed(picks, rows), np.arange(rows))


STRATEGY = Strategy(
    "uncertainty-herding.v1", reads="", score=unscored, sign=1, arrange=arrange, factor=20, needs_labelled=True,
)  # fmt: skip
"""Uncertainty herding over a uniform draw of the pool.

Source: Bae, Oliveira, Sutherland (2025), "Uncertainty herding: one active learning method for all label budgets",
ICLR, arXiv 2412.20644. Here the probabilities are the serving model's own, not rescaled, and the radius is a median,
since one pair of nearly equal samples would make a minimum 0.
"""
