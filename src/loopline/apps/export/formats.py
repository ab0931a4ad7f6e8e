"""One file of each format, written batch by batch."""

import base64
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from loopline.apps.export.columns import Book

Put = Callable[[str, bytes], None]
"""Takes a name within the export's folder, and the bytes to keep there."""
KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF8", "gif"), (b"RIFF", "webp"), (b"BM", "bmp"))
"""How an image file of each kind that a loop takes begins."""


def parquet(batches: Iterable[pa.Table], place: Path, *, metadata: dict[str, str]) -> None:
    """One Parquet file, with what it is in its metadata."""
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            told = batch.replace_schema_metadata(metadata)
            writer = writer or pq.ParquetWriter(place, told.schema, compression="zstd", write_page_checksum=True)
            writer.write_table(told)
    finally:
        if writer:
            writer.close()


def csv(book: Book, batches: Iterable[pa.Table], place: Path, *, put: Put | None) -> None:
    """One CSV file in UTF-8: every text quoted, nothing changed."""
    writer: pa_csv.CSVWriter | None = None
    try:
        for batch in batches:
            told = pictured(book.exchanged(batch), batch, put=put)
            writer = writer or pa_csv.CSVWriter(place, told.schema)
            writer.write_table(told)
    finally:
        if writer:
            writer.close()


def jsonl(book: Book, batches: Iterable[pa.Table], place: Path, *, put: Put | None) -> None:
    """One JSON object a line, in UTF-8."""
    with place.open("wb") as file:
        for batch in batches:
            rows = pictured(book.exchanged(batch), batch, put=put).to_pylist()
            file.write(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def pictured(told: pa.Table, batch: pa.Table, *, put: Put | None) -> pa.Table:
    """The rows with images as files beside them, by name; in base64 where there is no folder, or no known kind."""
    if "image" not in told.column_names:
        return told
    spelled = []
    for image, content in zip(batch["image"].to_pylist(), batch["content"].to_pylist(), strict=True):
        name = f"images/{content}.{kind_of(image)}"
        if put is None or name.endswith("."):
            spelled.append(base64.b64encode(image).decode())
            continue
        put(name, image)
        spelled.append(name)
    return told.set_column(told.column_names.index("image"), "image", pa.array(spelled, pa.string()))


def kind_of(image: bytes) -> str:
    """The ending of a file with these bytes; empty for a kind that no loop takes.

    >>> kind_of(b"GIF89a"), kind_of(b"%PDF")
    ('gif', '')
    """
    return next((kind for start, kind in KINDS if image.startswith(start)), "")
