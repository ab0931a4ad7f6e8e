"""The random part of a selection, and the probability with which it takes each sample.

The design, on a pool of N distinct samples that stand in a fixed order of preference (rank 1 is wanted most):

1. *Audit.* ``a`` samples uniformly without replacement from the whole pool: probability ``a / N`` each.
2. *Chosen.* From the other ``N - a``, ``k`` samples by Gumbel-top-k with log-weight ``-beta log rank`` ("softrank"):
   each sample's clock rings after an exponential time of rate ``w = rank ** -beta``; the first k win.

A sample's ``Candidate.probability`` is that of being drawn *by its own draw* under this whole design, before anything
was drawn: ``a / N`` for an audit row, ``P(not audit) * P(among the first k | not audit)`` for a chosen one. Both are
positive for every sample of the pool, so each draw alone gives unbiased estimates by weights ``1 / probability``; the
two draws exclude each other, so their sum is the probability of being in the batch at all.

Source: Kool, van Hoof, Welling (2019), "Stochastic beams and where to find them", ICML (Gumbel-top-k);
Kirsch et al. (2023), "Stochastic batch acquisition", TMLR, arXiv 2106.12059 (softrank).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Numbers = NDArray[np.float64]

REPLAYS = 512
"""Most simulated draws behind a probability."""
WORK = 4_000_000
"""Clocks simulated in all: large pools get fewer replays, and need fewer, since the k-th clock hardly varies there."""
FEWEST = 32


class Design(NamedTuple):
    """What is fixed before the draw."""

    weights: Numbers
    """(N,) positive: the rate of each sample's clock."""
    audit: int
    """a: samples drawn uniformly, 0 <= a <= N."""
    chosen: int
    """k: samples drawn by weight, 0 <= k <= N - a."""


class Drawn(NamedTuple):
    """What the draw gave: indices into the pool, in the order drawn."""

    audit: Indices
    chosen: Indices


def softrank(ranks: Indices, *, sharpness: float) -> Numbers:
    """The weight of each rank, ``rank ** -sharpness``, in (0, 1]; sharpness 0 weighs all alike.

    >>> softrank(np.array([1, 2, 4]), sharpness=2.0).tolist()
    [1.0, 0.25, 0.0625]
    """
    return np.asarray(ranks.astype(np.float64) ** -sharpness)


def draw(design: Design, rng: np.random.Generator) -> Drawn:
    """One run of the design: the audit share first, then the chosen from the rest.

    >>> drawn = draw(Design(np.ones(4), audit=1, chosen=2), np.random.default_rng(0))
    >>> len(drawn.audit), len(drawn.chosen), len({*drawn.audit.tolist(), *drawn.chosen.tolist()})
    (1, 2, 3)
    """
    audit, clocks = _ring(design, rng)
    return Drawn(audit=audit, chosen=np.argsort(clocks, kind="stable")[: design.chosen].astype(np.int64))


def audit_probability(design: Design) -> float:
    """``a / N``, exactly.

    >>> audit_probability(Design(np.ones(4), audit=1, chosen=2))
    0.25
    """
    return design.audit / len(design.weights)


def chosen_probabilities(design: Design, rng: np.random.Generator) -> Numbers:
    """Each sample's probability of being drawn as chosen, (N,) in [0, 1].

    Exact where the design is symmetric (equal weights) or takes everything. Otherwise by seeded simulation with the
    own clock integrated out: given the other clocks, sample i wins with probability ``1 - exp(-w_i T_i)``, ``T_i``
    the k-th smallest of the others; this is averaged over the replays in which i was not an audit row. Unbiased,
    never 0, relative error about ``1 / sqrt(k * replays)``.
    Source: Blackwell (1947), "Conditional expectation and unbiased sequential estimation", Ann. Math. Stat.

    >>> chosen_probabilities(Design(np.ones(4), audit=1, chosen=2), np.random.default_rng(0)).tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    n, left = len(design.weights), len(design.weights) - design.audit
    spared = 1.0 - design.audit / n
    if design.chosen == 0:
        return np.zeros(n)
    if design.chosen == left or np.ptp(design.weights) == 0.0:
        return np.full(n, spared * design.chosen / left)
    replays = int(np.clip(WORK // n, FEWEST, REPLAYS))
    total, seen = np.zeros(n), np.zeros(n)
    for _ in range(replays):
        audit, clocks = _ring(design, rng)
        last, following = np.partition(clocks, (design.chosen - 1, design.chosen))[
            design.chosen - 1 : design.chosen + 1
        ]
        others = np.where(clocks <= last, following, last)  # T_i: a winner's own clock is not among the others
        wins = -np.expm1(-design.weights * others)
        wins[audit] = 0.0
        total += wins
        seen += 1.0
        seen[audit] -= 1.0
    # Only where the audit is nearly the whole pool can a sample be audit in every replay; it gets the pool's mean.
    return spared * np.where(seen > 0.0, total / np.maximum(seen, 1.0), design.chosen / left)


def _ring(design: Design, rng: np.random.Generator) -> tuple[Indices, Numbers]:
    """The audit rows, and every sample's clock: infinite for audit rows."""
    audit = rng.choice(len(design.weights), size=design.audit, replace=False)
    clocks = rng.standard_exponential(len(design.weights)) / design.weights
    clocks[audit] = np.inf
    return audit.astype(np.int64), clocks
