"""Membership as intervals: a row lives from the part that wrote it until a later part or a removal ends it.

A version names the parts of its descent, oldest first. Each holds the rows that one version added or changed, sorted by
content, so versions share all that they have in common. What is read often must not lie in too many places, and what
is dead must not outweigh the living: then parts are made one (log-structured merge; O'Neil et al. 1996).
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopline.dataset import parquet
from loopline.dataset.table import ALL
from loopline.records.ids import Digest

MOST_PARTS = 32
"""Parts that a version reads; beyond, at least the newest half of them become one."""
PORTION = 1 << 28
"""Bytes that are sorted at a time: pyarrow takes rows of no table with more than 2 GiB of inputs."""
MOST_REMOVED = 1_000
"""Contents that a manifest lists as removed; beyond, the version is written whole."""


class Source(Protocol):
    """Where parts are read from: an object store, or files that a run was given."""

    def get(self, digest: Digest) -> bytes:
        """The bytes with this digest."""
        ...


class Objects(Source, Protocol):
    """Where parts are written as well: an object store."""

    def put(self, content: bytes) -> Digest:
        """Store the bytes and return their digest."""
        ...


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet object, which is never changed."""

    file: Digest
    rows: int
    cycle: int
    """The version that wrote it."""
    size: int = 0
    """Bytes; 0: not kept."""


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What a version holds: the parts, less what was removed since they were written."""

    parts: tuple[Part, ...]
    """Oldest first: of each content the row in the newest counts."""
    removed: tuple[str, ...] = ()
    """Contents that a part holds and the version does not, sorted."""


def written(table: pa.Table, *, cycle: int, objects: Objects) -> Part:
    """The part that holds this table, stored."""
    content = parquet.encoded(table)
    return Part(file=objects.put(content), rows=table.num_rows, cycle=cycle, size=len(content))


def read(held: Contents, *, objects: Source, columns: Sequence[str] = ALL) -> pa.Table:
    """These columns, ``content`` among them, of the rows that the version holds, sorted by content.

    Raises what the store raises, and InvalidRecord, naming the part, for one that is no dataset file.
    """
    return living([_table(part, objects=objects, columns=columns) for part in held.parts], removed=held.removed)


def _table(part: Part, *, objects: Source, columns: Sequence[str] = ALL) -> pa.Table:
    return parquet.decoded(objects.get(part.file), columns=columns, thing=f"dataset file {part.file}")


def grown(
    held: Contents, table: pa.Table, *, dropped: Sequence[str], rows: int, cycle: int, objects: Objects
) -> Contents:
    """What comes after ``held``: with the rows of the ``table``, sorted by content, and without the ``dropped``.

    ``rows``: how many it then holds.
    """
    ended = sorted((set(held.removed) | set(dropped)) - set(table["content"].to_pylist()))
    sizes = [*(part.rows for part in held.parts), table.num_rows]
    start = seam(sizes, rows=rows, removed=len(ended))
    older = [_table(part, objects=objects) for part in held.parts[start:]]
    made = living([*older, table], removed=ended) if older else table
    parts = held.parts[:start] + ((written(made, cycle=cycle, objects=objects),) if made.num_rows or not start else ())
    return Contents(parts=parts, removed=tuple(ended) if start else ())


def living(tables: Sequence[pa.Table], *, removed: Sequence[str] = ()) -> pa.Table:
    """Of each content the row in the latest table, those ``removed`` left out, sorted by content.

    >>> old, new = ({"content": c, "label": y} for c, y in ((["a", "b", "c"], [1, 1, 1]), (["b"], [2])))
    >>> living([pa.table(old), pa.table(new)], removed=["c"]).to_pydict()
    {'content': ['a', 'b'], 'label': [1, 2]}
    """
    if len(tables) == 1 and not removed:
        return tables[0]
    ended = pa.array(removed, pa.string())
    kept = []
    for table in reversed(tables):
        kept.append(without(table, ended))
        ended = pa.concat_arrays([ended, *table["content"].chunks])
    found = pa.concat_tables(kept)
    portions = 1 + found.nbytes // PORTION
    place = np.argsort(pc.sort_indices(found["content"]).to_numpy()) * portions // max(1, found.num_rows)
    pieces = (found.filter(pa.array(place == number)) for number in range(portions))
    return pa.concat_tables(piece.take(pc.sort_indices(piece["content"])) for piece in pieces)


def within(table: pa.Table, contents: pa.Array) -> pa.Table:
    """The rows with one of these contents."""
    return table.filter(pc.is_in(table["content"], value_set=contents))


def without(table: pa.Table, contents: pa.Array) -> pa.Table:
    """The rows with none of these contents."""
    return table.filter(pc.invert(pc.is_in(table["content"], value_set=contents)))


def seam(sizes: Sequence[int], *, rows: int, removed: int) -> int:
    """The first part that is made one with all that follow it; the last one's place when every part stays as it is.

    ``sizes``: rows of each part, oldest first, the newest not yet written; ``rows``: how many of them live. When more
    are dead than live, or too many are listed as removed, that is the first part. With more than 32 parts it is the
    newest half, and before them each part of at most twice the rows behind it: so every row is rewritten a few times
    over the life of a loop, and a large base hardly ever.

    >>> seam([1_000_000, *[300] * 31], rows=1_005_000, removed=0), seam([1_000_000, *[300] * 32], rows=1, removed=0)
    (31, 0)
    >>> seam([1_000_000, *[300] * 32], rows=1_005_000, removed=0)
    1
    """
    if sum(sizes) > 2 * rows or removed > MOST_REMOVED:
        return 0
    if len(sizes) <= MOST_PARTS:
        return len(sizes) - 1
    start = len(sizes) - MOST_PARTS // 2
    while start and sizes[start - 1] <= 2 * sum(sizes[start:]):
        start -= 1
    return start
