"""Labelled rows as columns: the form in which versions are merged, stored and read."""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

IMPORTED = "imported"
"""The stratum of rows that the user brought."""
SCHEMA = pa.schema(
    [
        pa.field("inputs", pa.binary(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("sample", pa.string(), nullable=False),
        pa.field("cycle", pa.int64(), nullable=False),
        pa.field("stratum", pa.string(), nullable=False),
    ]
)
"""Every column of a dataset, in order.

``inputs``: the canonical row, as the model saw it; ``content``: hex BLAKE3 of it; ``sample``: the prediction it came
from, or the id of the imported row; ``cycle``: the one that gave the label, 0 for imported rows; ``stratum``:
``imported``, ``chosen``, ``audit`` or ``relabel``.
"""
ALL: tuple[str, ...] = tuple(SCHEMA.names)


class LabelledSample(NamedTuple):
    """One row of a table, before it is one."""

    content: str
    inputs: bytes
    label: str
    sample: str
    cycle: int
    stratum: str


def tabled(samples: Sequence[LabelledSample]) -> pa.Table:
    """These samples as a table, each of weight 1, in the order given.

    >>> tabled([LabelledSample("c", b"1", "good", "p1", 3, "audit")])["label"].to_pylist()
    ['good']
    """
    columns = {name: [getattr(one, name) for one in samples] for name in LabelledSample._fields}
    return pa.table(columns | {"weight": [1.0] * len(samples)}, schema=SCHEMA)


def by_class(table: pa.Table, labels: tuple[str, ...]) -> dict[str, int]:
    """Rows of each class, in the order of the labels, absent ones as 0."""
    found = {one["values"]: one["counts"] for one in table["label"].value_counts().to_pylist()}
    return {label: found.get(label, 0) for label in labels}
