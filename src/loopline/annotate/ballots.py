"""Answers as arrays: the form in which every method of this stage reads them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.records.task import Annotation, Task


class Ballots(NamedTuple):
    """Answers of a batch; ``task``, ``person`` and ``choice`` have shape (answers,), ``known`` has shape (tasks,)."""

    task: NDArray[np.int64]
    """Which task, an index into ``known``."""
    person: NDArray[np.int64]
    """Whose answer, an index into ``people``."""
    choice: NDArray[np.int64]
    """Which label, an index into the loop's labels."""
    known: NDArray[np.int64]
    """The known label of a gold task, -1 for every other task."""
    people: tuple[str, ...]
    """Names, sorted."""
    classes: int

    @property
    def votes(self) -> NDArray[np.float64]:
        """How many said what: shape (tasks, classes)."""
        cells = len(self.known) * self.classes
        counts = np.bincount(self.task * self.classes + self.choice, minlength=cells)
        return counts.reshape(len(self.known), self.classes).astype(np.float64)


def cast(tasks: Sequence[Task], annotations: Sequence[Annotation], *, labels: tuple[str, ...]) -> Ballots:
    """The answers to these tasks as arrays; answers to other tasks are left out.

    Raises InvalidRecord, naming task, label and what is allowed, for an answer that is none of the labels.
    """
    place = {task.id: i for i, task in enumerate(tasks)}
    heard = [a for a in annotations if a.task in place]
    rank = {label: i for i, label in enumerate(labels)}
    for answer in heard:
        if answer.label not in rank:
            thing, found = f"answer {answer.id} to task {answer.task}", f"label {answer.label!r}"
            raise InvalidRecord(thing, found=found, expected=f"one of {', '.join(labels)}")
    people = tuple(sorted({a.annotator for a in heard}))
    seat = {name: i for i, name in enumerate(people)}
    return Ballots(
        task=np.array([place[a.task] for a in heard], dtype=np.int64),
        person=np.array([seat[a.annotator] for a in heard], dtype=np.int64),
        choice=np.array([rank[a.label] for a in heard], dtype=np.int64),
        known=np.array([rank[t.gold] if t.gold else -1 for t in tasks], dtype=np.int64),
        people=people,
        classes=len(labels),
    )
