"""What a sample most likely is, given who said what and how each person tends to err."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from loopline.annotate.ballots import Ballots
from loopline.annotate.majority import majority
from loopline.annotate.mistakes import anywhere

Numbers = NDArray[np.float64]

DIAGONAL = 0.85
"""Accuracy that a person is believed to have before their answers say otherwise."""
STRENGTH = 10.0
"""How many answers per true class that belief is worth: few answers barely move it."""
TOLERANCE = 1e-6
ROUNDS = 200
BLOCK = 32_768
"""Tasks that are worked on at a time: so many stay in the processor's cache from one step to the next."""
DEEPEST = 700.0
"""exp(-700) is above the smallest number there is; rows that may lie deeper are lifted first."""


class Fit(NamedTuple):
    """What the answers say together, and how each person errs."""

    posterior: Numbers
    """(tasks, classes), rows sum to 1."""
    confusion: Numbers
    """(people, classes, classes): P(this person says l | the truth is j) at [person, j, l]; rows sum to 1."""
    prior: Numbers
    """(classes,), share of each class among the tasks whose truth is not known, and of which nothing is known
    beforehand."""


class _Block(NamedTuple):
    """Some of the tasks, and what is believed of them, rewritten every round."""

    said: csr_array
    """(rows, people x classes)"""
    posterior: Numbers
    """(rows, classes)"""
    is_counted: Numbers
    """(rows,) 1 where the shares of the classes are counted."""
    known: NDArray[np.int64]
    """Rows that keep what they hold."""
    told: NDArray[np.int64]
    """Rows of which something is known beforehand."""
    beforehand: Numbers
    """(told, classes), logarithms."""

    def weighed(self, evidence: Numbers, log_prior: Numbers) -> Numbers:
        """The posterior under these beliefs about people, (people x classes, classes), and classes: both logarithms."""
        weights = np.asarray(self.said @ evidence, dtype=np.float64)
        weights[self.told] += self.beforehand - log_prior
        weights += log_prior
        if self._depth(evidence, log_prior) > DEEPEST:
            weights -= weights.max(axis=1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= np.einsum("ij->i", weights)[:, None]
        weights[self.known] = self.posterior[self.known]
        return weights

    def moved_to(self, updated: Numbers) -> float:
        """The largest change of any cell; the block holds ``updated`` from now on."""
        held = self.posterior
        np.subtract(updated, held, out=held)
        largest = max(float(held.max()), -float(held.min()))
        held[:] = updated
        return largest

    def _depth(self, evidence: Numbers, log_prior: Numbers) -> float:
        """How far below 0 a logarithm can lie at most: the maximum of each row costs more than all else together."""
        answers = int(np.diff(self.said.indptr).max(initial=0))
        rest = max(np.abs(log_prior).max(), np.abs(self.beforehand).max(initial=0.0))
        return float(answers * np.abs(evidence).max(initial=0.0) + rest)


def dawid_skene(ballots: Ballots, *, beforehand: Numbers | None = None, mistakes: Numbers | None = None) -> Fit:
    """Posterior of every task's class, and everyone's confusion, by expectation maximisation.

    Each person n has a confusion matrix pi[n, j, l]. Starting from vote shares T (tasks, classes), rounds of
    M: pi[n, j, l] = (sum_i T[i, j] [n said l of i] + s[j, l]) / row sum, p[j] = (sum_i T[i, j] + 1) / sum;
    E: T[i, j] proportional to p[j] prod over answers (n, l) to i of pi[n, j, l], until T moves by less than 1e-6.
    The Dirichlet smoothing s is worth ten answers a class, 0.85 of them right: a person with few answers is read
    as an ordinary one. Known tasks keep their class throughout, and p is counted on the others only.

    ``beforehand``: (tasks, classes), probabilities that stand in the place of p for a task, such as a model's; rows
    of zeros where p itself stands, which is then counted on those tasks alone. ``mistakes``: (classes, classes),
    where wrong answers land as far as s is concerned, ``anywhere`` if not given. Answers in another order give the
    same bytes.

    Source: Dawid and Skene 1979, Applied Statistics 28(1); smoothing as the posterior mode of a Dirichlet prior.

    >>> from loopline.annotate.ballots import Ballots
    >>> said = Ballots(task=np.array([0, 0, 0, 1]), person=np.array([0, 1, 2, 0]), choice=np.array([1, 1, 0, 0]),
    ...     known=np.array([-1, -1]), people=3, classes=2)
    >>> dawid_skene(said).posterior.argmax(axis=1).tolist()
    [1, 0]
    """
    people, classes = ballots.people, ballots.classes
    spread = anywhere(classes) if mistakes is None else mistakes
    smoothing = STRENGTH * (DIAGONAL * np.eye(classes) + (1.0 - DIAGONAL) * spread)
    blocks = _blocks(ballots, np.zeros((len(ballots.known), classes)) if beforehand is None else beforehand)
    counts, shares = np.zeros((people * classes, classes)), np.zeros(classes)
    for block in blocks:
        counts += block.said.T @ block.posterior
        shares += np.einsum("i,ij->j", block.is_counted, block.posterior)
    for _ in range(ROUNDS):
        smoothed = counts.reshape(people, classes, classes).transpose(0, 2, 1) + smoothing
        confusion = smoothed / smoothed.sum(axis=2, keepdims=True)
        prior = (shares + 1.0) / (shares.sum() + classes)
        evidence, log_prior = np.log(confusion).transpose(0, 2, 1).reshape(people * classes, classes), np.log(prior)
        counts, shares, moved = np.zeros_like(counts), np.zeros_like(shares), 0.0
        for block in blocks:
            updated = block.weighed(evidence, log_prior)
            moved = max(moved, block.moved_to(updated))
            counts += block.said.T @ updated
            shares += np.einsum("i,ij->j", block.is_counted, updated)
        if moved < TOLERANCE:
            break
    posterior = np.concatenate([np.empty((0, classes)), *(block.posterior for block in blocks)])
    return Fit(posterior=posterior, confusion=confusion, prior=prior)


def _blocks(ballots: Ballots, beforehand: Numbers) -> list[_Block]:
    """The tasks in blocks, each with its vote shares as first beliefs, and the truth where it is known."""
    votes, said = ballots.votes, ballots.said
    posterior = majority(votes)
    is_known, is_told = ballots.known >= 0, beforehand.sum(axis=1) > 0
    posterior[is_known] = np.eye(ballots.classes)[ballots.known[is_known]]
    is_counted = (~is_known & ~is_told & (votes.sum(axis=1) > 0)).astype(np.float64)
    parts = (slice(start, start + BLOCK) for start in range(0, len(posterior), BLOCK))
    return [
        _Block(
            said=said[part],
            posterior=posterior[part],
            is_counted=is_counted[part],
            known=np.flatnonzero(is_known[part]),
            told=np.flatnonzero(is_told[part]),
            beforehand=np.log(beforehand[part][is_told[part]]),
        )
        for part in parts
    ]
