"""A segment as one Parquet file: rows by time, each with its place in the order of arrival."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loopline.adapters.spool.batch import KINDS, SCHEMA, empty
from loopline.adapters.spool.bloom import DENSE, SPARSE, bloom, hashes

COLUMNS = SCHEMA.append(pa.field("offset", pa.int32()))
"""``offset``: place in the order of arrival; the row's position is the segment's first plus this."""
GROUP_ROWS = 32_768
GROUP_BYTES = 32 << 20
"""A row group is what one read decodes at least: small enough to find one id in, large enough to pack well."""
FAST, THOROUGH = 1, 15
"""Levels of zstd: for what is sealed while predictions arrive, and for the archive."""
WORDS = ["loop", "model", "artifact", "signature", "arm", "role", "label", "failure", "reason", "segment"]
"""Columns of few distinct values, which are written once a row group."""
UNORDERED = {"inputs", "probabilities", "members", "embedding"}
"""Columns of which nobody asks for a range: the least and the greatest of them would be copies of rows."""
ENCODINGS = {
    **dict.fromkeys(("at_us", "offset", "latency_us"), "DELTA_BINARY_PACKED"),
    **dict.fromkeys(("content", "group", "payload"), "DELTA_LENGTH_BYTE_ARRAY"),
    **dict.fromkeys(("margin", "entropy", "top"), "BYTE_STREAM_SPLIT"),
    **dict.fromkeys(("members.list.element", "embedding.list.element"), "BYTE_STREAM_SPLIT"),
    "id": "DELTA_BYTE_ARRAY",
}


class Packed(NamedTuple):
    """The bytes of a segment's file, and what the manifest says of it."""

    content: bytes
    min_at_us: int
    max_at_us: int
    min_id: str
    max_id: str
    counts: dict[str, int]
    arms: dict[str, int]
    ids: bytes


def pack(tables: Iterable[pa.Table], *, level: int, max_id: str) -> Packed:
    """The rows, in the order of their tables, as one file; each row group is in order of time.

    ``max_id``: the greatest id of the lane before these; the filter is dense when the ids grow with time. No more is
    held at once than a row group and the bytes that are written.
    """
    sink, summary = pa.BufferOutputStream(), _Summary()
    writer = pq.ParquetWriter(
        sink,
        COLUMNS,
        compression="zstd",
        compression_level=level,
        use_dictionary=WORDS,
        column_encoding=ENCODINGS,
        write_statistics=[name for name in COLUMNS.names if name not in UNORDERED],
        write_page_checksum=True,
    )
    with writer:
        for group in _groups(tables):
            at = group["at_us"].to_numpy()
            if (at[1:] < at[:-1]).any():
                group = group.take(pa.array(np.argsort(at, kind="stable")))  # noqa: PLW2901  the same rows by time
            summary.add(group)
            writer.write_table(group, row_group_size=max(1, len(group)))
    return summary.packed(sink.getvalue().to_pybytes(), max_id=max_id)


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows cut into row groups."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        joined = pa.concat_tables(waiting)
        size = min(GROUP_ROWS, max(1, GROUP_BYTES * len(joined) // max(joined.nbytes, 1)))
        whole = len(joined) // size * size
        yield from (joined.slice(start, size) for start in range(0, whole, size))
        waiting = [joined.slice(whole)]
    if waiting and len(waiting[0]):
        yield waiting[0]


class _Summary:
    """What the manifest says of a segment, gathered row group by row group."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.names: list[str] = []
        self.counts: dict[str, dict[str, int]] = {"model": {}, "arm": {}}
        self.hashes: list[NDArray[np.uint64]] = []

    def add(self, group: pa.Table) -> None:
        for column, seen in (("at_us", self.at), ("id", self.names)):
            seen.extend(pc.min_max(group[column]).as_py().values())
        for column, counts in self.counts.items():
            for found in pc.value_counts(group[column].combine_chunks()).to_pylist():
                counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]
        self.hashes.extend(hashes(chunk) for chunk in group["id"].chunks)

    def packed(self, content: bytes, *, max_id: str) -> Packed:
        min_id = min(self.names)
        return Packed(
            content=content,
            min_at_us=min(self.at),
            max_at_us=max(self.at),
            min_id=min_id,
            max_id=max(self.names),
            counts=dict(sorted(self.counts["model"].items())),
            arms=dict(sorted(self.counts["arm"].items())),
            ids=bloom(np.concatenate(self.hashes), bits=DENSE if min_id > max_id else SPARSE),
        )


class Footer(NamedTuple):
    """Where the row groups of a file lie, and which offsets and ids each holds."""

    metadata: pq.FileMetaData
    offsets: tuple[tuple[int, int], ...]
    """Least and greatest, a row group."""
    ids: tuple[tuple[str, str] | None, ...]
    """Least and greatest, a row group; None where ids too long to be noted leave it open."""


def read_footer(path: str) -> Footer:
    """The end of the file, which says what is where."""
    metadata = pq.read_metadata(path)
    place = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    offsets = [group.column(place["offset"]).statistics for group in groups]
    ids = [group.column(place["id"]).statistics for group in groups]
    return Footer(
        metadata,
        offsets=tuple((each.min, each.max) for each in offsets),
        ids=tuple((each.min, each.max) if each.has_min_max else None for each in ids),
    )


def read_groups(
    path: str,
    footer: Footer,
    *,
    groups: Sequence[int],
    columns: Sequence[str] = COLUMNS.names,
    use_threads: bool = False,
) -> Iterator[pa.Table]:
    """These row groups, one table each; raises OSError when a page is not what was written.

    Columns that the file was written without are empty. With threads a row group's columns are decoded side by side.
    """
    with pq.ParquetFile(path, metadata=footer.metadata, page_checksum_verification=True) as file:
        held = set(file.schema_arrow.names)
        present = [name for name in columns if name in held]
        for group in groups:
            table = file.read_row_group(group, columns=present, use_threads=use_threads)
            for name in columns:
                if name not in held:
                    table = table.append_column(name, empty(KINDS[name], len(table)))
            yield table.select(list(columns))
