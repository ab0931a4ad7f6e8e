"""Rows as the bytes of a file, in pieces: no more than one piece is in memory."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from loopline.apps.tasks.exporting import Form, Order
from loopline.records.settings import Settings

PIECE: Final = 500
"""Rows written at once."""
MEDIA: Final[dict[Form, str]] = {
    "label-studio": "application/json",
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet would run, apostrophes of ours before it; full-width signs count as theirs."""
NUMBERS: Final = {
    "cycle": pa.int64(), "wanted": pa.int64(), "answers": pa.int64(), "priority": pa.int64(), "guideline": pa.int64(),
    "seconds": pa.float64(), "flagged": pa.bool_(), "bulk": pa.bool_(), "stands": pa.bool_(),
    "posterior": pa.list_(pa.float64()), "annotators": pa.list_(pa.string()),
}  # fmt: skip
"""Columns that are no text."""


def columns_of(order: Order, settings: Settings) -> dict[str, pa.DataType]:
    """Name -> type of each column of the flat formats, in order."""
    signature = settings.signature
    wide = {f"x{place}": pa.float64() for place in range(signature.width)}
    inputs: dict[str, pa.DataType] = wide if signature.input == "tabular" else {signature.input: pa.string()}
    names: tuple[str, ...] = {
        "tasks": TASK if order.purpose == "record" else LABELLING,
        "annotations": ANSWER,
        "labels": LABEL,
    }[order.what]
    found: dict[str, pa.DataType] = {}
    for name in names:
        found |= inputs if name == "*" else {name: NUMBERS.get(name, pa.string())}
    return found


LABELLING: Final = ("task", "*", "suggestion", "suggested_by")
TASK: Final = (
    "task", "cycle", "stratum", "sample", "content", "*", "suggestion", "suggested_by", "withheld", "gold", "wanted",
    "answers", "priority", "skill", "language", "cluster", "guideline",
)  # fmt: skip
ANSWER: Final = (
    "id", "task", "cycle", "stratum", "annotator", "label", "seconds", "at", "comment", "flagged", "bulk", "stands",
)  # fmt: skip
LABEL: Final = (
    "sample", "cycle", "stratum", "content", "*", "label", "posterior", "decided_by", "annotators", "method",
)  # fmt: skip
"""Columns in order; ``*`` stands for those of the sample."""


def written(rows: Iterator[dict[str, Any]], order: Order, *, settings: Settings) -> Iterator[bytes]:
    """The file, piece by piece."""
    pieces = _pieces(rows)
    match order.form:
        case "label-studio":
            return _array(rows)
        case "jsonl":
            is_several = settings.annotate.question == "multiple"
            return (
                b"".join(msgspec.json.encode(_listed(row, is_several)) + b"\n" for row in piece) for piece in pieces
            )
        case "csv":
            return _csv(pieces, tuple(columns_of(order, settings)))
        case "parquet":
            fields = columns_of(order, settings)
            return _parquet(pieces, pa.schema(list(fields.items())))


def _pieces(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while piece := list(islice(rows, PIECE)):
        yield piece


def _array(rows: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    yield b"["
    for place, row in enumerate(rows):
        yield (b",\n" if place else b"\n") + msgspec.json.encode(row)
    yield b"\n]\n"


def _listed(row: Mapping[str, Any], is_several: bool) -> Mapping[str, Any]:  # noqa: FBT001  of the loop, not a switch
    """The row with an answer of several labels as a list."""
    if is_several and row.get("label"):
        return {**row, "label": msgspec.json.decode(row["label"])}
    return row


def _csv(pieces: Iterator[list[dict[str, Any]]], names: tuple[str, ...]) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    for piece in pieces:
        writer.writerows([_cell(row[name]) for name in names] for row in piece)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, bool):
        return str(value).lower()
    return msgspec.json.encode(value).decode() if isinstance(value, list) else value


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet runs: behind an apostrophe where it begins like a formula.

    >>> guarded("=1+1"), guarded("'=1"), guarded("a=1")
    ("'=1+1", "''=1", 'a=1')
    """
    return f"'{text}" if FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text that ``guarded`` made the cell of.

    >>> unguarded("'=1+1"), unguarded("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if cell[:1] == "'" and FORMULA.match(cell) else cell


def _parquet(pieces: Iterator[list[dict[str, Any]]], schema: pa.Schema) -> Iterator[bytes]:
    sink = _Drain()
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd", write_page_checksum=True) as file:
        for piece in pieces:
            file.write_table(pa.Table.from_pylist(piece, schema=schema))
            yield sink.take()
    yield sink.take()


class _Drain(io.RawIOBase):
    """A file that hands on what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        self._parts.append(bytes(content))
        self._written += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._parts = b"".join(self._parts), []
        return taken
