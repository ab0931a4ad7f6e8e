"""The answers of a batch as arrays, and what they say together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Sheet(NamedTuple):
    """The answers of a batch; ``task``, ``person`` have shape (answers,), ``answer`` their canonical texts."""

    task: NDArray[np.int64]
    """Which task, in [0, tasks)."""
    person: NDArray[np.int64]
    """Whose, in [0, people)."""
    answer: tuple[str, ...]
    known: tuple[str, ...]
    """(tasks,) The canonical answer that is known of each task, empty where none is: gold, and what was decided."""
    people: int
    prior: NDArray[np.float64]
    """(tasks, labels) The model's probabilities; a row of zeros where they do not count."""


class Consensus(NamedTuple):
    """What the answers say together."""

    answer: tuple[str, ...]
    """(tasks,) The leading canonical answer."""
    posterior: NDArray[np.float64]
    """(tasks, labels), one column a label of the loop, in [0, 1]."""
    sure: NDArray[np.float64]
    """(tasks,) The posterior probability of the whole leading answer."""
    alpha: float
    """Krippendorff's alpha under this question's distance, gold left out; NaN where it is not defined."""
    alpha_n: int
    """Tasks with two or more answers behind it."""
