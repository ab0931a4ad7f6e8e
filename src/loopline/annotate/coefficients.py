"""Coefficients of agreement, each of many resamples at once: a figure and its interval come from the same lines.

All depend on nothing but how many people gave a sample each value, and samples with equal counts are alike. So samples
are gathered into patterns, and a resample is a weight for each pattern: (resamples, patterns), how often it was drawn.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.distances import ordinal

Numbers = NDArray[np.float64]
Coefficient = Callable[["Patterns", Numbers], Numbers]
"""(resamples,) from patterns and weights, NaN where it is not defined."""


class Patterns(NamedTuple):
    """The different ways in which samples were answered."""

    votes: Numbers
    """(patterns, values), how many people gave each value."""
    samples: Numbers
    """(patterns,), how many samples were answered so."""

    @property
    def answers(self) -> Numbers:
        """(patterns,) People who answered."""
        return np.asarray(self.votes.sum(axis=1), dtype=np.float64)

    @property
    def paired(self) -> "Patterns":
        """Those with two or more answers."""
        is_paired = self.answers >= 2
        return Patterns(self.votes[is_paired], self.samples[is_paired])


def patterns(votes: Numbers) -> Patterns:
    """The patterns of ``votes``: (samples, values), in a fixed order; samples without answers are left out.

    Each row is read as one number where it fits into 53 bits: numbers are sorted far faster than rows.

    >>> patterns(np.array([[2.0, 0.0], [1.0, 1.0], [2.0, 0.0], [0.0, 0.0]])).samples.tolist()
    [1.0, 2.0]
    """
    votes = votes[votes.sum(axis=1) > 0]
    side, values = int(votes.max(initial=0)) + 1, votes.shape[1]
    if side**values >= 2**53:
        rows, samples = np.unique(votes, axis=0, return_counts=True)
        return Patterns(rows, samples.astype(np.float64))
    power = side ** np.arange(values)[::-1]
    code, samples = np.unique((votes @ power.astype(np.float64)).astype(np.int64), return_counts=True)
    return Patterns((code[:, None] // power % side).astype(np.float64), samples.astype(np.float64))


def alpha(distance: Numbers) -> Coefficient:
    """Krippendorff's alpha for any distance of values, (values, values), symmetric and 0 on the diagonal.

    With n_uc the answers c to sample u, n_u its answers, n_c all answers c, n all answers, over samples with n_u >= 2:
    1 - (n - 1) [sum_u sum_ck n_uc n_uk d_ck / (n_u - 1)] / [sum_ck n_c n_k d_ck].

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.
    """

    def figure(every: Patterns, weights: Numbers) -> Numbers:
        chosen, weights = _paired(every, weights)
        apart = np.einsum("gc,ck,gk->g", chosen.votes, distance, chosen.votes, optimize=True) / (chosen.answers - 1)
        totals = weights @ chosen.votes
        expected = np.einsum("bc,ck,bk->b", totals, distance, totals, optimize=True)
        return _alpha(weights @ apart, expected, totals.sum(axis=1))

    return figure


def ordinal_alpha(every: Patterns, weights: Numbers) -> Numbers:
    """Krippendorff's alpha for values in order: the distance of two is how many answers lie between them.

    As ``alpha``, with d_ck from the totals of the resample itself. Source: Krippendorff 2011, section D.
    """
    chosen, weights = _paired(every, weights)
    values = chosen.votes.shape[1]
    pairs = chosen.votes[:, :, None] * chosen.votes[:, None, :] / (chosen.answers - 1)[:, None, None]
    totals = weights @ chosen.votes
    distance = ordinal(totals)
    together = (weights @ pairs.reshape(-1, values * values)).reshape(-1, values, values)
    expected = np.einsum("bc,bck,bk->b", totals, distance, totals, optimize=True)
    return _alpha(np.einsum("bck,bck->b", together, distance), expected, totals.sum(axis=1))


def gwet(weight: Numbers) -> Coefficient:
    """Gwet's AC2: agreement weighted by ``weight``, (values, values), 1 on the diagonal; with 0 elsewhere it is AC1.

    Over samples with two answers or more, with r_ik the answers k to sample i and r_i its answers: p_a = mean of sum_k
    r_ik (sum_l w_kl r_il - 1) / (r_i (r_i - 1)). Over all answered samples pi_k = mean of r_ik / r_i, and p_e = sum_kl
    w_kl / (q (q - 1)) sum_k pi_k (1 - pi_k) for q values. AC = (p_a - p_e) / (1 - p_e).

    Source: Gwet 2008, British Journal of Mathematical and Statistical Psychology 61(1); AC2: Gwet 2014, Handbook of
    Inter-Rater Reliability, 4th edition.
    """

    def figure(every: Patterns, weights: Numbers) -> Numbers:
        values, likely = every.votes.shape[1], _likely(every, weights)
        by_chance = weight.sum() / (values * (values - 1)) * (likely * (1.0 - likely)).sum(axis=1)
        return _beyond(_agreed(every, weights, weight), by_chance)

    return figure


def fleiss(every: Patterns, weights: Numbers) -> Numbers:
    """Fleiss' kappa: P, the mean share of pairs of answers that agree, against P_e = sum_k p_k^2.

    P = mean over samples with two answers or more of sum_k r_ik (r_ik - 1) / (r_i (r_i - 1)), p_k = mean over all
    answered samples of r_ik / r_i; kappa = (P - P_e) / (1 - P_e). The first source has equally many answers to each
    sample; the second says what to do where they differ.

    Source: Fleiss 1971, Psychological Bulletin 76(5); Gwet 2014, Handbook of Inter-Rater Reliability, 4th edition.
    """
    share = _likely(every, weights)
    return _beyond(_agreed(every, weights, np.eye(every.votes.shape[1])), (share**2).sum(axis=1))


def _paired(every: Patterns, weights: Numbers) -> tuple[Patterns, Numbers]:
    return every.paired, weights[:, every.answers >= 2]


def _agreed(every: Patterns, weights: Numbers, weight: Numbers) -> Numbers:
    """(resamples,) The mean share of pairs of answers to a sample that agree, each by its weight."""
    chosen, weights = _paired(every, weights)
    votes, n = chosen.votes, chosen.answers
    alike = ((votes @ weight - 1.0) * votes).sum(axis=1) / (n * (n - 1))
    return _over(weights @ alike, weights.sum(axis=1))


def _likely(every: Patterns, weights: Numbers) -> Numbers:
    """(resamples, values) The mean share of each value among the answers to a sample."""
    return _over(weights @ (every.votes / every.answers[:, None]), weights.sum(axis=1, keepdims=True))


def _alpha(apart: Numbers, expected: Numbers, answers: Numbers) -> Numbers:
    return np.asarray(1.0 - _over((answers - 1) * apart, expected), dtype=np.float64)


def _beyond(observed: Numbers, by_chance: Numbers) -> Numbers:
    left = 1.0 - by_chance
    return _over(observed - by_chance, np.where(left > 1e-12, left, 0.0))  # shares sum to 1 but for some last bits


def _over(part: Numbers, whole: Numbers) -> Numbers:
    """The quotient; NaN where nothing is there to divide by."""
    is_there = np.broadcast_to(whole > 0, part.shape)
    return np.asarray(np.divide(part, whole, out=np.full(part.shape, np.nan), where=is_there), dtype=np.float64)
