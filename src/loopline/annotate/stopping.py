"""When to stop asking: each sample gets as many people as its answers call for."""

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.ballots import Ballots

PRIOR_MEAN = 0.85
"""Accuracy of a person before any gold answer."""
PRIOR_ANSWERS = 10.0
"""Gold answers that this belief is worth."""


def reliance(right: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each person's accuracy as the stopping rule believes it: a Beta posterior mean, prior mean 0.85, in (0, 1).

    ``right``, ``seen``: (people,), gold answers given right, and given at all.

    >>> reliance(np.array([0.0, 20.0]), np.array([0.0, 20.0])).tolist()
    [0.85, 0.95]
    """
    return (right + PRIOR_MEAN * PRIOR_ANSWERS) / (seen + PRIOR_ANSWERS)


def leading(ballots: Ballots, accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Posterior probability of each task's leading label under the symmetric one-coin model: shape (tasks,).

    A person of accuracy a, ``accuracy``: (people,), names the true label with probability a and each of the k - 1
    others with (1 - a) / (k - 1); labels are equally likely beforehand: no model has a say. An answer therefore adds
    log a - log((1 - a) / (k - 1)) to its label. Accuracy below chance counts as chance: nobody is read backwards.

    Source: Dawid and Skene 1979 with one parameter a person; known as ZenCrowd or one-coin.

    >>> two = Ballots(task=np.array([0, 0]), person=np.array([0, 1]), choice=np.array([2, 2]),
    ...     known=np.array([-1]), people=("ana", "ben"), classes=3)
    >>> leading(two, np.array([0.85, 0.85])).round(3).tolist()
    [0.985]
    """
    k = ballots.classes
    a = np.clip(accuracy, 1.0 / k, 1.0 - 1e-9)
    gain = np.log(a) - np.log((1.0 - a) / (k - 1))
    cell = ballots.task * k + ballots.choice
    score = np.bincount(cell, weights=gain[ballots.person], minlength=len(ballots.known) * k).reshape(-1, k)
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(1.0 / weight.sum(axis=1), dtype=np.float64)


def wanted(
    *,
    now: NDArray[np.int64],
    answers: NDArray[np.int64],
    leading: NDArray[np.float64],
    stop_at: float,
    most: int,
) -> NDArray[np.int64]:
    """How many people each task should have: one more where all who were asked answered and doubt remains.

    All arrays have shape (tasks,). ``now``: people asked for so far, ``answers``: answers that stand, ``leading``:
    posterior of the leading label, ``most``: no task asks more people than this. Never less than ``now``.

    >>> three = np.array([1, 1, 3])
    >>> wanted(now=three, answers=three, leading=np.array([0.85, 0.96, 0.6]), stop_at=0.95, most=3).tolist()
    [2, 1, 3]
    """
    is_doubtful = (answers >= now) & (leading < stop_at)
    return np.where(is_doubtful, np.maximum(now, np.minimum(answers + 1, most)), now)
