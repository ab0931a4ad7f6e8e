"""Committee: how much the members of an ensemble, or the last versions of a model, disagree.

Each measure takes ``members``: (n, members, classes), rows sum to 1, and gives (n,), large where they disagree. A row
without members, or with one that holds anything but finite numbers, gives NaN.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Strategy
from loopline.select.strategies.entropy import entropy

Members = NDArray[np.float32]
Numbers = NDArray[np.float32]


def vote_entropy(members: Members) -> Numbers:
    """Entropy of the votes, ``-sum_c v_c/M log(v_c/M)`` nats, in [0, log(min(members, classes))].

    Each member votes for its most likely class; of equal ones, for the first.
    Source: Dagan, Engelson (1995), "Committee-based sampling for training probabilistic classifiers", ICML.

    >>> bool(np.isclose(vote_entropy(np.array([[[0.9, 0.1], [0.2, 0.8]]], np.float32))[0], np.log(2)))
    True
    """
    return _usable(members, lambda known: entropy(_votes(known)))


def variation_ratio(members: Members) -> Numbers:
    """The share of members that did not vote for the winner, ``1 - max_c v_c/M``, in [0, 1 - 1/members].

    Source: Freeman (1965), "Elementary applied statistics"; Beluch et al. (2018), CVPR.

    >>> variation_ratio(np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.9, 0.1], [0.6, 0.4]]], np.float32)).tolist()
    [0.5, 0.0]
    """
    return _usable(members, lambda known: 1.0 - _votes(known).max(axis=1))


def consensus_kl(members: Members) -> Numbers:
    """Mean divergence of the members from their mean, ``1/M sum_m KL(P_m || mean P)`` nats, in [0, log(classes)].

    It is BALD written otherwise: for equal weights the two are one number. Both names are in use.
    Source: McCallum, Nigam (1998), "Employing EM and pool-based active learning for text classification", ICML.

    >>> bool(np.isclose(consensus_kl(np.array([[[1.0, 0.0], [0.0, 1.0]]], np.float32))[0], np.log(2)))
    True
    """

    def divergence(known: Members) -> NDArray[np.float64]:
        p = known.astype(np.float64)
        mean = p.mean(axis=1, keepdims=True)
        ratio = np.divide(p, mean, out=np.ones_like(p), where=p > 0.0)  # 0 log 0 := 0
        return np.asarray((p * np.log(ratio)).sum(axis=2).mean(axis=1))

    return _usable(members, divergence)


def bald(members: Members) -> Numbers:
    """What a label would tell about which member is right: ``H(mean P) - mean H(P_m)`` nats, in [0, log(classes)].

    Source: Houlsby et al. (2011), "Bayesian active learning for classification and preference learning",
    arXiv 1112.5745.

    >>> bald(np.array([[[0.75, 0.25], [0.75, 0.25]]], np.float32)).tolist()  # both unsure, and of one mind
    [0.0]
    """
    return _usable(members, lambda known: entropy(known.mean(axis=1, dtype=np.float64)) - entropy(known).mean(axis=1))


def _votes(members: Members) -> NDArray[np.float64]:
    """(n, classes): the share of members that find each class most likely."""
    return np.asarray(np.eye(members.shape[2])[members.argmax(axis=2)].mean(axis=1))


def _usable(members: Members, measure: Callable[[Members], NDArray[np.float64]]) -> Numbers:
    """The measure of every row that has members, never below 0; NaN for the others."""
    known = np.isfinite(members).all(axis=(1, 2)) & (members.shape[1] > 0)
    scores = np.full(len(members), np.nan, np.float32)
    scores[known] = np.maximum(measure(members[known]), 0.0) if known.any() else 0.0  # rounding may end at -1e-17
    return scores


STRATEGIES = tuple(
    Strategy(f"committee-{name}.v1", reads="members", score=score, sign=-1, needs_members=True)
    for name, score in (
        ("vote-entropy", vote_entropy),
        ("consensus-kl", consensus_kl),
        ("bald", bald),
        ("variation-ratio", variation_ratio),
    )
)
"""One a measure."""
