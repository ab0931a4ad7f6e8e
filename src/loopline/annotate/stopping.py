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


def asked(
    *, answers: NDArray[np.int64], leading: NDArray[np.float64], stop_at: float, least: int, most: int
) -> NDArray[np.int64]:
    """How many people each task calls for, if they are there: one more than answered where doubt remains.

    All arrays have shape (tasks,). ``answers``: answers that stand, ``leading``: posterior of the leading label;
    ``least``, ``most``: bounds for every task. A task with more answers than it calls for is simply done.

    >>> asked(answers=np.array([0, 1, 1, 3]), leading=np.array([0.33, 0.85, 0.96, 0.6]), stop_at=0.95, least=1, most=3)
    array([1, 2, 1, 3])
    """
    return np.clip(answers + (leading < stop_at), least, most)


def wanted(
    called: NDArray[np.int64], *, answers: NDArray[np.int64], free: NDArray[np.int64], present: int
) -> NDArray[np.int64]:
    """How many people each task waits for: nobody is waited for who is not there to be asked.

    All arrays have shape (tasks,). ``called``: people it calls for, ``answers``: answers that stand, ``free``: those
    present who neither answered nor passed on it, ``present``: people present. With an answer a task waits for
    min(called, answers + free), at least 1. Without one it waits for all it calls for, also while nobody is present:
    somebody may come. But once all who are present passed on it, and every task that can be answered is done, it
    waits for 0: it is over.

    >>> called, answers = np.array([2, 2, 1]), np.array([1, 1, 0])
    >>> wanted(called, answers=answers, free=np.array([1, 0, 0]), present=2).tolist()
    [2, 1, 1]
    >>> wanted(called, answers=answers, free=np.array([0, 0, 0]), present=1).tolist()
    [1, 1, 0]
    """
    target = np.where(answers > 0, np.maximum(1, np.minimum(called, answers + free)), called)
    is_stuck = (answers == 0) & (free == 0) & (present > 0)
    is_rest_done = bool((answers >= target)[~is_stuck].all())
    return np.where(is_stuck & is_rest_done, 0, target)
