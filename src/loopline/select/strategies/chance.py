"""Chance: every sample of the pool alike."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Strategy


def unscored(column: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero for every row, whatever the column holds: (n, ...) gives (n,).

    >>> unscored(np.array([0.3, np.nan], np.float32)).tolist()
    [0.0, 0.0]
    """
    return np.zeros(len(column), np.float32)


STRATEGY = Strategy("random.v1", reads="", score=unscored, sign=1, sharpness=0.0)
"""Uniformly at random: what every other strategy has to beat."""
