"""The share of the answers that each label got: the simplest reading, and where Dawid-Skene starts."""

import numpy as np
from numpy.typing import NDArray


def majority(votes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each label among the answers to a task; uniform where nobody answered.

    ``votes``: (tasks, classes) counts. Returns shares in [0, 1] of the same shape; rows sum to 1.

    >>> majority(np.array([[3.0, 1.0], [0.0, 0.0]])).tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    total = votes.sum(axis=1, keepdims=True)
    share = np.where(total > 0, votes / np.maximum(total, 1.0), 1.0 / votes.shape[1])
    return np.asarray(share, dtype=np.float64)
