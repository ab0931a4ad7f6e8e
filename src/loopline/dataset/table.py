"""Labelled rows as arrays: the form in which versions are merged, stored and read."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IMPORTED = "imported"
"""The stratum of rows that the user brought."""


class LabelledTable(NamedTuple):
    """Rows of a dataset version, sorted by content, each content once. Every array has shape (rows,)."""

    content: NDArray[np.object_]
    """str: hex BLAKE3 of the inputs."""
    inputs: NDArray[np.object_]
    """bytes: the canonical row, as the model saw it."""
    label: NDArray[np.object_]
    weight: NDArray[np.float64]
    sample: NDArray[np.object_]
    """str: the prediction it came from, or the id of the imported row."""
    cycle: NDArray[np.int64]
    """The cycle that gave the label; 0 for imported rows."""
    stratum: NDArray[np.object_]
    """str: ``imported``, ``chosen`` or ``audit``."""


class LabelledSample(NamedTuple):
    """One row of a table, before it is one."""

    content: str
    inputs: bytes
    label: str
    sample: str
    cycle: int
    stratum: str


def tabled(samples: Sequence[LabelledSample]) -> LabelledTable:
    """These samples as a table, each of weight 1, in the order given.

    >>> tabled([LabelledSample("c", b"1", "good", "p1", 3, "audit")]).label.tolist()
    ['good']
    """
    return LabelledTable(
        content=objects([s.content for s in samples]),
        inputs=objects([s.inputs for s in samples]),
        label=objects([s.label for s in samples]),
        weight=np.ones(len(samples)),
        sample=objects([s.sample for s in samples]),
        cycle=np.array([s.cycle for s in samples], dtype=np.int64),
        stratum=objects([s.stratum for s in samples]),
    )


def objects(values: Sequence[object]) -> NDArray[np.object_]:
    """An array that holds these very objects; numpy would otherwise cut trailing zero bytes and fix a width."""
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column


def taken(table: LabelledTable, rows: NDArray[np.intp]) -> LabelledTable:
    """The rows of these places, in this order."""
    return LabelledTable._make(column[rows] for column in table)


def by_class(table: LabelledTable, labels: tuple[str, ...]) -> dict[str, int]:
    """Rows of each class, in the order of the labels, absent ones as 0."""
    return {label: int(np.count_nonzero(table.label == label)) for label in labels}
