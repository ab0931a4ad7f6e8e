"""The arrays in which the pool of the log travels: data only, so that the pure files of select may name them too.

A **content key** is the first 8 bytes of the BLAKE3 of the inputs, big-endian, as uint64: samples are told apart by it
while there are millions of them. Two of 50 million share one with a chance of 7 in 100,000.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Reads = Literal["", "margin", "entropy", "top", "members"]
"""The column of the log that holds a strategy's informativeness; empty: none."""


class PoolRows(NamedTuple):
    """Whole rows of the pool: of the loop role, answered by a live arm. Arrays share their first axis."""

    position: NDArray[np.int64]
    id: NDArray[np.object_]
    content: NDArray[np.object_]
    """str: hex BLAKE3 of the inputs."""
    inputs: NDArray[np.object_]
    """bytes: the canonical row."""
    model: NDArray[np.object_]
    label: NDArray[np.object_]
    segment: NDArray[np.object_]
    """str: the part of the traffic that the request named; empty where it named none."""
    at_us: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    probabilities: NDArray[np.float32]
    """(n, classes), rows sum to 1."""
    margin: NDArray[np.float32]
    members: NDArray[np.object_]
    """float32 arrays of (members * classes,), row-major; of length 0 where none were kept."""
    embedding: NDArray[np.object_]
    """float32 arrays of (dimensions,); of length 0 where none were kept."""


class PoolColumns(NamedTuple):
    """What a kernel sees of the rows of one piece of the pool, in order of position."""

    content: NDArray[np.uint64]
    """(n,) content keys."""
    is_current: NDArray[np.bool_]
    """(n,): answered by the version that goes first."""
    value: NDArray[np.float32]
    """(n,) of the column that the strategy reads, or (n, members, classes); (n,) zeros where it reads none."""


class Sifted(NamedTuple):
    """What a kernel found. A sample is one distinct content; the row of least key stands for it."""

    content: NDArray[np.uint64]
    """(distinct,) content keys, ascending."""
    copies: NDArray[np.int32]
    """(distinct,) rows that hold each; they sum to n."""
    best: NDArray[np.int64]
    """(distinct,) the row that stands for each."""
    top: NDArray[np.int64]
    """(m,) of these, the m rows of least key, least first."""
    urgency: NDArray[np.float32]
    """(m,) of these rows: small is informative; +inf where the row has no usable value."""


class Sift(NamedTuple):
    """One pass over the pool: what to read, what to make of it, and how much to keep."""

    name: str
    """Of what the kernel computes, with version: what is kept between passes is kept under it."""
    reads: Reads
    model: str
    """The version whose rows go first; empty: none do."""
    most: int
    """Rows of least key wanted of the whole window; each piece keeps its share with room to spare, or all it has."""
    kernel: Callable[[PoolColumns, int], Sifted]
    """(columns, m) -> what was found. Can be pickled; the same columns give the same answer anywhere."""


class Sketch(NamedTuple):
    """What a pass keeps of one piece of the pool."""

    content: NDArray[np.uint64]
    """(distinct,) content keys, ascending."""
    copies: NDArray[np.int32]
    """(distinct,) rows that hold each."""
    position: NDArray[np.integer[Any]]
    """(distinct,) of the row that stands for each, counted from ``first`` on."""
    rows: PoolRows
    """(m,) the rows of least key, least first, whole."""
    is_current: NDArray[np.bool_]
    """(m,)."""
    urgency: NDArray[np.float32]
    """(m,)."""
    first: int = 0
