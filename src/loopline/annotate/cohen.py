"""How far each two people agree beyond chance."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.ballots import Ballots

Numbers = NDArray[np.float64]


class Pairs(NamedTuple):
    """Every two people beside each other; symmetric."""

    kappa: Numbers
    """(people, people), at most 1, 0 is chance; NaN on the diagonal, where two met on no task, and where both said one
    and the same label."""
    n: NDArray[np.int64]
    """(people, people) Tasks that both answered; 0 on the diagonal."""


def cohen(ballots: Ballots) -> Pairs:
    """Cohen's kappa of all pairs of people, each over the tasks that both answered.

    With p_o the share of these on which they agree and p_e = sum_l (share of l with one) (share of l with the other):
    kappa = (p_o - p_e) / (1 - p_e).

    Source: Cohen 1960, Educational and Psychological Measurement 20(1).

    >>> said = Ballots(task=np.array([0, 0, 1, 1]), person=np.array([0, 1, 0, 1]), choice=np.array([0, 0, 1, 1]),
    ...     known=np.array([-1, -1]), people=2, classes=2)
    >>> cohen(said).kappa.tolist()
    [[nan, 1.0], [1.0, nan]]
    """
    people, classes = ballots.people, ballots.classes
    said = ballots.said
    person, choice = np.divmod(said.indices.astype(np.int64), classes)
    task = np.repeat(np.arange(said.shape[0]), np.diff(said.indptr))
    n, same = np.zeros(people**2), np.zeros(people**2)
    labels = np.zeros(people**2 * classes)
    first, step = np.arange(len(task)), 0
    while len(first):  # each answer beside the next one to its task, then the one after that
        step += 1
        first = first[: np.searchsorted(first, len(task) - step)]
        first = first[task[first] == task[first + step]]
        one, other, c, d = person[first], person[first + step], choice[first], choice[first + step]
        pair, back = one * people + other, other * people + one
        n += np.bincount(pair, minlength=people**2)
        same += np.bincount(pair[c == d], minlength=people**2)
        labels += np.bincount(pair * classes + c, minlength=len(labels))
        labels += np.bincount(back * classes + d, minlength=len(labels))
    return _kappa(n.reshape(people, people), same.reshape(people, people), labels.reshape(people, people, classes))


def _kappa(n: Numbers, same: Numbers, labels: Numbers) -> Pairs:
    """From the tasks that two met on and agreed on, one order of the two each, and what the first said of them."""
    n, same = n + n.T, same + same.T
    by_chance = np.einsum("pqc,qpc->pq", labels, labels)
    left = n**2 - by_chance
    kappa = np.divide(n * same - by_chance, left, out=np.full(n.shape, np.nan), where=left > 0)
    np.fill_diagonal(kappa, np.nan)
    return Pairs(kappa, n.astype(np.int64))
