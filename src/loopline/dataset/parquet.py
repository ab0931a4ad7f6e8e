"""A table as Parquet bytes, and back: the same table gives the same bytes."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from loopline.dataset.table import LabelledTable
from loopline.errors import InvalidRecord

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
"""The columns of a dataset file, in order."""


def encoded(table: LabelledTable) -> bytes:
    """The table as one zstd-compressed Parquet file with page checksums; it holds no time and no path."""
    columns = table._asdict()
    arrow = pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
    sink = io.BytesIO()
    pq.write_table(arrow, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def decoded(content: bytes) -> LabelledTable:
    """The table behind its bytes. Raises InvalidRecord when they are no such file."""
    try:
        arrow = pq.read_table(io.BytesIO(content), page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise InvalidRecord("dataset file", found=str(error), expected="Parquet") from error
    if not arrow.schema.equals(SCHEMA):
        found = f"columns {', '.join(f'{field.name} {field.type}' for field in arrow.schema)}"
        expected = ", ".join(f"{field.name} {field.type}" for field in SCHEMA)
        raise InvalidRecord("dataset file", found=found, expected=expected)
    return LabelledTable(**{name: arrow.column(name).to_numpy() for name in LabelledTable._fields})
