"""A table as Parquet bytes, and back: the same table gives the same bytes."""

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from loopline.dataset.table import ALL, SCHEMA
from loopline.errors import InvalidRecord


def encoded(table: pa.Table) -> bytes:
    """The table as one zstd-compressed Parquet file with page checksums; it holds no time and no path."""
    sink = io.BytesIO()
    # One chunk a column: where the rows came from must not show in the bytes.
    pq.write_table(table.combine_chunks(), sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def decoded(content: bytes, *, columns: Sequence[str] = ALL, thing: str = "dataset file") -> pa.Table:
    """These columns of the table behind its bytes. Raises InvalidRecord about the ``thing`` when they are none."""
    try:
        with pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True) as file:
            schema = file.schema_arrow
            table = file.read(columns=list(columns)) if schema.equals(SCHEMA) else None
    except (pa.ArrowException, OSError) as error:
        raise InvalidRecord(thing, found=str(error), expected="Parquet") from error
    if table is None:
        found = f"columns {', '.join(f'{field.name} {field.type}' for field in schema)}"
        expected = ", ".join(f"{field.name} {field.type}" for field in SCHEMA)
        raise InvalidRecord(thing, found=found, expected=expected)
    return table.select(columns)
