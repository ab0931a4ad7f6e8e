"""Answers as numbers: the form in which every method of this stage reads them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class Ballots(NamedTuple):
    """Answers of a batch; ``task``, ``person`` and ``choice`` have shape (answers,), ``known`` has shape (tasks,)."""

    task: NDArray[np.int64]
    """Which task, an index into ``known``."""
    person: NDArray[np.int64]
    """Whose answer, in [0, people)."""
    choice: NDArray[np.int64]
    """Which label, in [0, classes)."""
    known: NDArray[np.int64]
    """The known label of a task, -1 where it is not known."""
    people: int
    classes: int

    @property
    def votes(self) -> NDArray[np.float64]:
        """How many said what: shape (tasks, classes)."""
        cells = len(self.known) * self.classes
        counts = np.bincount(self.task * self.classes + self.choice, minlength=cells)
        return counts.reshape(len(self.known), self.classes).astype(np.float64)

    @property
    def said(self) -> csr_array:
        """A one for each answer: sparse, shape (tasks, people x classes), at [task, person * classes + choice].

        The answers stand sorted in it, so the same answers in any order give the same sums to the last bit.
        """
        width = max(self.people * self.classes, 1)
        cells = np.sort((self.task * self.people + self.person) * self.classes + self.choice)
        start = np.concatenate([[0], np.bincount(cells // width, minlength=len(self.known)).cumsum()])
        shape = (len(self.known), self.people * self.classes)
        return csr_array((np.ones(len(cells)), (cells % width).astype(np.int32), start.astype(np.int32)), shape=shape)
