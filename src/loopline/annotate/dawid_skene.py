"""What a sample most likely is, given who said what and how each person tends to err."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from loopline.annotate.ballots import Ballots
from loopline.annotate.majority import majority

METHOD = "dawid-skene.v1"
DIAGONAL = 0.85
"""Accuracy that a person is believed to have before their answers say otherwise."""
STRENGTH = 10.0
"""How many answers per true class that belief is worth: few answers barely move it."""
TOLERANCE = 1e-6
ROUNDS = 200


class Consensus(NamedTuple):
    """What the answers say together."""

    posterior: NDArray[np.float64]
    """(tasks, classes), rows sum to 1."""
    confusion: NDArray[np.float64]
    """(people, classes, classes): P(this person says l | the truth is j) at [person, j, l]; rows sum to 1."""
    prior: NDArray[np.float64]
    """(classes,), share of each class among the tasks whose truth is not known."""


def dawid_skene(ballots: Ballots) -> Consensus:
    """Posterior of every task's class, and everyone's confusion, by expectation maximisation.

    Each person n has a confusion matrix pi[n, j, l]. Starting from vote shares T (tasks, classes), rounds of
    M: pi[n, j, l] = (sum_i T[i, j] [n said l of i] + s[j, l]) / row sum, p[j] = (sum_i T[i, j] + 1) / sum;
    E: T[i, j] proportional to p[j] prod over answers (n, l) to i of pi[n, j, l], until T moves by less than 1e-6.
    The Dirichlet smoothing s is worth ten answers a class, 0.85 of them right: a person with few answers is read
    as an ordinary one. Gold tasks keep their known class throughout, and p is counted on the others only.

    Source: Dawid and Skene 1979, Applied Statistics 28(1); smoothing as the posterior mode of a Dirichlet prior.

    >>> from loopline.annotate.ballots import Ballots
    >>> said = Ballots(task=np.array([0, 0, 0, 1]), person=np.array([0, 1, 2, 0]), choice=np.array([1, 1, 0, 0]),
    ...     known=np.array([-1, -1]), people=("ana", "ben", "cy"), classes=2)
    >>> dawid_skene(said).posterior.argmax(axis=1).tolist()
    [1, 0]
    """
    classes, people = ballots.classes, len(ballots.people)
    votes = ballots.votes
    column = ballots.person * classes + ballots.choice
    shape = (len(ballots.known), people * classes)
    said = csr_array((np.ones(len(column)), (ballots.task, column)), shape=shape)
    is_gold = ballots.known >= 0
    is_open = ~is_gold & (votes.sum(axis=1) > 0)
    truth = np.eye(classes)[ballots.known[is_gold]]
    smoothing = _smoothing(classes)
    posterior = majority(votes)
    posterior[is_gold] = truth
    for _ in range(ROUNDS):
        counts = (said.T @ posterior).reshape(people, classes, classes).transpose(0, 2, 1) + smoothing
        confusion = counts / counts.sum(axis=2, keepdims=True)
        prior = posterior[is_open].sum(axis=0) + 1.0
        prior /= prior.sum()
        evidence = said @ np.log(confusion).transpose(0, 2, 1).reshape(people * classes, classes)
        updated = _normalised(np.log(prior) + evidence)
        updated[is_gold] = truth
        moved = float(np.abs(updated - posterior).max(initial=0.0))
        posterior = updated
        if moved < TOLERANCE:
            break
    return Consensus(posterior=posterior, confusion=confusion, prior=prior)


def _smoothing(classes: int) -> NDArray[np.float64]:
    """Pseudo-answers (classes, classes): rows sum to STRENGTH, DIAGONAL of each on the diagonal."""
    beside = STRENGTH * (1.0 - DIAGONAL) / (classes - 1)
    pseudo = np.full((classes, classes), beside)
    np.fill_diagonal(pseudo, STRENGTH * DIAGONAL)
    return pseudo


def _normalised(log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows that sum to 1; the largest is subtracted first, so that long products do not underflow."""
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)
