"""How far a model's word counts before anybody has answered."""

import numpy as np
from numpy.typing import NDArray

DOUBT = 0.2
"""Probability that the model knows nothing of a sample, whatever it says."""


def doubted(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The model's probabilities with a doubt: (1 - 0.2) p + 0.2 / k; rows of zeros, where it has no say, stay zeros.

    ``probabilities``: (tasks, classes). What a model says can at most come to 0.9 of two classes, 0.82 of ten.

    Why a doubt, and why 0.2: the model is asked about just when the world may have moved away from it, and then it is
    wrong and sure. Simulated with people of accuracy 0.85 on average and probabilities that were once calibrated,
    asking until the posterior is 0.95 or five have answered. Stated is 0.95 or more; of what was stopped on, this much
    was right where the model is surely wrong about three samples in ten: with two classes 0.91 without a doubt, 0.967
    with 0.2; with five 0.963 and 0.983. And where it knows nothing of any sample: 0.84 and 0.938, 0.92 and 0.970. It
    costs up to 0.2 labels a sample while the model is right. A larger doubt costs more and gains little.

    >>> doubted(np.array([[1.0, 0.0], [0.0, 0.0]])).round(9).tolist()
    [[0.9, 0.1], [0.0, 0.0]]
    """
    has_say = probabilities.sum(axis=1, keepdims=True) > 0
    mixed = (1.0 - DOUBT) * probabilities + DOUBT / probabilities.shape[1]
    return np.where(has_say, mixed, 0.0)


def spoken_for(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the model's probabilities say for each label where several may be right: P(yes), 0 where it has no say.

    A model's probabilities sum to 1 over labels of which two may be right at once: a small one is no word against its
    label. So only those above 1/2 count, each with the doubt of two classes.

    ``probabilities``: (tasks, labels). Returns the same shape.

    >>> spoken_for(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
    [[0.9, 0.0], [0.0, 0.0]]
    """
    return np.where(probabilities > 0.5, (1.0 - DOUBT) * probabilities + DOUBT / 2, 0.0)
