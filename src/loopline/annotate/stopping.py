"""When to stop asking: each sample gets as many people as its answers call for."""

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.ballots import Ballots
from loopline.annotate.mistakes import anywhere

Numbers = NDArray[np.float64]

PRIOR_MEAN = 0.85
"""Accuracy of a person before any gold answer."""
PRIOR_ANSWERS = 10.0
"""Gold answers that this belief is worth."""


def reliance(right: Numbers, seen: Numbers) -> Numbers:
    """Each person's accuracy as the stopping rule believes it: a Beta posterior mean, prior mean 0.85, in (0, 1).

    ``right``, ``seen``: (people,), gold answers given right, and given at all.

    >>> reliance(np.array([0.0, 20.0]), np.array([0.0, 20.0])).tolist()
    [0.85, 0.95]
    """
    return (right + PRIOR_MEAN * PRIOR_ANSWERS) / (seen + PRIOR_ANSWERS)


def believed(
    ballots: Ballots,
    accuracy: Numbers,
    *,
    beforehand: Numbers | None = None,
    mistakes: Numbers | None = None,
) -> Numbers:
    """The posterior of each task's label under the one-coin model: shape (tasks, classes), rows sum to 1.

    A person of accuracy a, ``accuracy``: (people,), names the true label j with probability a, and label l with
    (1 - a) m[j, l], ``mistakes``: (classes, classes), all others alike if not given. ``beforehand``: (tasks, classes),
    positive rows where something is known before anybody answers, such as a model's word; elsewhere, in rows of zeros,
    labels are equally likely. Accuracy below chance counts as chance: nobody is read backwards. A known task has its
    known label for certain.

    Source: Dawid and Skene 1979 with one parameter a person; known as ZenCrowd or one-coin.

    >>> one = Ballots(task=np.array([0]), person=np.array([0]), choice=np.array([0]), known=np.array([-1]),
    ...     people=1, classes=2)
    >>> believed(one, np.array([0.8]), beforehand=np.array([[0.2, 0.8]])).round(9).tolist()
    [[0.5, 0.5]]
    """
    k, tasks = ballots.classes, len(ballots.known)
    a = np.clip(accuracy, 1.0 / k, 1.0 - 1e-9)[:, None, None]
    spread = anywhere(k) if mistakes is None else mistakes
    off = np.where(np.eye(k, dtype=np.bool_), 1.0, spread)
    table = np.where(np.eye(k, dtype=np.bool_), np.log(a), np.log1p(-a) + np.log(off))  # [person, truth, said]
    score = ballots.said @ table.transpose(0, 2, 1).reshape(-1, k)
    if beforehand is not None:
        has_say = beforehand.sum(axis=1) > 0
        score[has_say] += np.log(beforehand[has_say])
    weight = np.exp(score - score.max(axis=1, keepdims=True).reshape(tasks, 1))
    posterior = weight / weight.sum(axis=1, keepdims=True)
    is_known = ballots.known >= 0
    posterior[is_known] = np.eye(k)[ballots.known[is_known]]
    return np.asarray(posterior, dtype=np.float64)


def asked(
    *,
    answers: NDArray[np.int64],
    leading: Numbers,
    stop_at: float,
    least: int | NDArray[np.int64],
    most: int | NDArray[np.int64],
) -> NDArray[np.int64]:
    """How many people each task calls for, if they are there: one more than answered where doubt remains.

    All arrays have shape (tasks,). ``answers``: answers that stand, ``leading``: posterior of the leading label;
    ``least``, ``most``: bounds, of all tasks or one a task. A task with more answers than it calls for is simply done.

    >>> asked(answers=np.array([0, 1, 1, 3]), leading=np.array([0.33, 0.85, 0.96, 0.6]), stop_at=0.95, least=1, most=3)
    array([1, 2, 1, 3])
    """
    return np.clip(answers + (leading < stop_at), least, most)


def wanted(
    called: NDArray[np.int64],
    *,
    answers: NDArray[np.int64],
    free: NDArray[np.int64],
    present: int,
    least: int | NDArray[np.int64] = 1,
) -> NDArray[np.int64]:
    """How many people each task waits for: beyond the ``least``, nobody is waited for who is not there to be asked.

    All arrays have shape (tasks,). ``called``: people it calls for, ``answers``: answers that stand, ``free``: those
    present who neither answered nor passed on it, ``present``: people present, ``least``: people that it needs in any
    case, of all tasks or one a task. With an answer a task waits for min(called, answers + free), but for ``least`` of
    those it calls for: what two are to judge is not sure because one came first. Without one it waits for all it calls
    for, also while nobody is present: somebody may come. But once all who are present passed on it, and every task
    that can be answered is done, it waits for 0: it is over.

    >>> called, answers = np.array([2, 2, 1]), np.array([1, 1, 0])
    >>> wanted(called, answers=answers, free=np.array([1, 0, 0]), present=2).tolist()
    [2, 1, 1]
    >>> wanted(called, answers=answers, free=np.array([0, 0, 0]), present=1).tolist()
    [1, 1, 0]
    >>> wanted(called, answers=answers, free=np.array([0, 0, 0]), present=1, least=2).tolist()
    [2, 2, 1]
    """
    floor = np.maximum(1, np.minimum(called, least))
    target = np.where(answers > 0, np.maximum(floor, np.minimum(called, answers + free)), called)
    is_stuck = (answers == 0) & (free == 0) & (present > 0)
    is_rest_done = bool((answers >= target)[~is_stuck].all())
    return np.where(is_stuck & is_rest_done, 0, target)
