"""How much the model would learn from a sample, read off its own probabilities."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.errors import NotFound

Probabilities = NDArray[np.float32]
Scores = NDArray[np.float64]


def entropy(p: Probabilities) -> Scores:
    """Shannon entropy in nats, ``-sum p log p`` with ``0 log 0 := 0``; large is informative.

    ``p``: (n, classes), rows sum to 1. Gives (n,) in [0, log(classes)].
    Source: Shannon (1948), "A mathematical theory of communication", Bell System Technical Journal.

    >>> entropy(np.array([[0.5, 0.5], [1.0, 0.0]], np.float32)).round(4).tolist()
    [0.6931, 0.0]
    """
    wide = p.astype(np.float64)
    terms = wide * np.log(np.where(wide > 0.0, wide, 1.0))
    return np.asarray(np.abs(terms.sum(axis=1)))  # a sum of non-positive terms; abs also turns -0.0 into 0.0


def least_confidence(p: Probabilities) -> Scores:
    """One minus the probability of the most likely class; large is informative.

    ``p``: (n, classes), rows sum to 1. Gives (n,) in [0, 1 - 1/classes].
    Source: Lewis and Gale (1994), "A sequential algorithm for training text classifiers", SIGIR.

    >>> least_confidence(np.array([[0.5, 0.25, 0.25], [0.75, 0.25, 0.0]], np.float32)).tolist()
    [0.5, 0.25]
    """
    return np.asarray(1.0 - p.astype(np.float64).max(axis=1))


class Strategy(NamedTuple):
    """One named way to choose; the name carries a version, so that a stored selection can be replayed."""

    name: str
    score: Callable[[Probabilities, Scores], Scores]
    """(probabilities (n, classes), stored margins (n,)) -> scores (n,), as stored with each Candidate."""
    sign: int
    """+1: small scores are informative; -1: large ones."""
    is_diverse: bool
    """Whether candidates are spread over clusters (cluster-margin)."""
    sharpness: float
    """Exponent of the weight ``rank ** -sharpness`` with which ranks are drawn; 0 draws uniformly."""

    def urgency(self, scores: Scores) -> Scores:
        """The scores turned so that the smallest is the most informative.

        >>> strategy_of("entropy.v1").urgency(np.array([0.5])).tolist()
        [-0.5]
        """
        return scores * self.sign


SHARPNESS = 4.0
"""At 4, 86 % of a batch comes from the ranks that a hard cut would take, and every rank keeps a chance."""

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy("cluster-margin.v1", lambda _p, stored: stored, 1, is_diverse=True, sharpness=SHARPNESS),
        Strategy("entropy.v1", lambda p, _stored: entropy(p), -1, is_diverse=False, sharpness=SHARPNESS),
        Strategy(
            "least-confidence.v1", lambda p, _stored: least_confidence(p), -1, is_diverse=False, sharpness=SHARPNESS
        ),
        Strategy("margin.v1", lambda _p, stored: stored, 1, is_diverse=False, sharpness=SHARPNESS),
        Strategy("random.v1", lambda _p, stored: np.zeros_like(stored), 1, is_diverse=False, sharpness=0.0),
    )
}
"""Every strategy by its versioned name. ``cluster-margin.v1`` is the default of ``loop.toml``."""


def strategy_of(name: str) -> Strategy:
    """The strategy of this name; raises NotFound, which lists the known ones.

    >>> strategy_of("margin.v1").sign
    1
    """
    if name not in STRATEGIES:
        raise NotFound("strategy", name, known=tuple(sorted(STRATEGIES)))
    return STRATEGIES[name]
