"""Where wrong answers land, before anybody's answers say so."""

import numpy as np
from numpy.typing import NDArray

STEP = 0.25
"""On an ordered scale, how much rarer a mistake is for each step further from the truth."""


def anywhere(classes: int) -> NDArray[np.float64]:
    """Every wrong label alike: (classes, classes), P(said l | truth j, wrong) at [j, l]; rows sum to 1, diagonal 0.

    >>> anywhere(3).tolist()
    [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    """
    return (1.0 - np.eye(classes)) / (classes - 1)


def nearby(classes: int) -> NDArray[np.float64]:
    """Mostly the neighbours on an ordered scale: (classes, classes), as ``anywhere``, a quarter as likely each step.

    Two neighbours are told apart less well than it would seem if a slip were as likely to go to the far end.

    >>> nearby(3).round(2).tolist()
    [[0.0, 0.8, 0.2], [0.5, 0.0, 0.5], [0.2, 0.8, 0.0]]
    """
    step = np.arange(classes)
    weight = STEP ** np.abs(step[:, None] - step[None, :]).astype(np.float64)
    np.fill_diagonal(weight, 0.0)
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float64)
