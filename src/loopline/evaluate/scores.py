"""Probabilities and labels as the gate compares them, checked."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.evaluate.leakage import Sample
from loopline.records.soundness import sound


def joined(chunks: Sequence[NDArray[np.float32]], *, thing: str, rows: int, classes: int) -> NDArray[np.float64]:
    """The chunks' answers as one (rows, classes) array; InvalidRecord names the model when they are no probabilities.

    >>> joined([np.array([[0.5, 0.5]], dtype=np.float32)], thing="model v2", rows=1, classes=2)
    array([[0.5, 0.5]])
    """
    if not chunks:
        return np.empty((0, classes))
    return sound(np.concatenate(chunks).astype(np.float64), rows=rows, classes=classes, thing=thing)


def truth_of(samples: Sequence[Sample], *, labels: tuple[str, ...]) -> NDArray[np.int64]:
    """The place of each sample's label among the classes, shape (n,); InvalidRecord for a label that is none."""
    places = {label: place for place, label in enumerate(labels)}
    for sample in samples:
        if sample.label not in places:
            raise InvalidRecord(
                f"reserve row {sample.id}", found=f"label {sample.label!r}", expected=f"one of {', '.join(labels)}"
            )
    return np.array([places[sample.label] for sample in samples], dtype=np.int64)
