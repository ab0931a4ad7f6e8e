"""An answer as bytes: JSON for pages, CSV and Parquet for files, Arrow for programs."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, get_args

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from loopline.adapters.duckdb.query import BATCH_ROWS, Answer
from loopline.errors import InvalidRecord

Format = Literal["json", "arrow", "csv", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA: dict[Format, str] = {
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.stream",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}


def encoded(answer: Answer, form: Format) -> bytes:
    """The answer in this format; JSON tells of itself how long it is and whether it was cut."""
    if form == "json":
        return _json(answer)
    return {"arrow": arrow, "csv": csv, "parquet": parquet}[form](answer.table)


@contextmanager
def _room(form: str) -> Iterator[None]:
    """Raise InvalidRecord for a value that the format has no place for."""
    try:
        yield
    except (pa.ArrowException, OverflowError) as error:
        found, remedy = f"a value that has no place in {form} ({error})", "cast it to VARCHAR"
        raise InvalidRecord("query", found=found, expected="plain ones", remedy=remedy) from error


def arrow(table: pa.Table) -> bytes:
    """An Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@_room("Parquet")
def parquet(table: pa.Table) -> bytes:
    """A Parquet file; of columns with one name, the later ones are numbered. Raises InvalidRecord as ``csv`` does."""
    sink = io.BytesIO()
    pq.write_table(table.rename_columns(distinct(table.column_names)), sink, compression="zstd")
    return sink.getvalue()


@_room("CSV")
def csv(table: pa.Table) -> bytes:
    """Comma-separated values under a header; lists and records as JSON, bytes as text, or else in base64.

    Raises InvalidRecord for a value that the format has no place for.
    """
    sink = io.BytesIO()
    columns = [_flat(column) for column in table.columns]
    pa_csv.write_csv(pa.Table.from_arrays(columns, names=distinct(table.column_names)), sink)
    return sink.getvalue()


@_room("text")
def rows(table: pa.Table) -> list[list[Any]]:
    """The rows as JSON has them: times in ISO 8601, bytes as text where they are, else in base64.

    Raises InvalidRecord for a time before the year 1 or after 9999.
    """
    return list(map(list, zip(*(_plain(column) for column in table.columns), strict=True)))


def kind(type_: pa.DataType) -> str:
    """What a column holds, in words.

    >>> kind(pa.int64()), kind(pa.timestamp("us", "UTC")), kind(pa.list_(pa.float32()))
    ('number', 'time', 'list')
    """
    found = (
        (pa.types.is_boolean, "true or false"), (pa.types.is_date, "date"), (pa.types.is_timestamp, "time"),
        (pa.types.is_binary, "bytes"), (pa.types.is_large_binary, "bytes"), (pa.types.is_list, "list"),
        (pa.types.is_fixed_size_list, "list"), (pa.types.is_struct, "record"), (pa.types.is_map, "record"),
        (pa.types.is_union, "record"),
    )  # fmt: skip
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "number"
    return next((word for test, word in found if test(type_)), "text")


def distinct(names: list[str]) -> list[str]:
    """The names, repeated ones numbered.

    >>> distinct(["a", "b", "a"])
    ['a', 'b', 'a_2']
    """
    made: list[str] = []
    for name in names:
        number, one = 1, name
        while one in made:
            number += 1
            one = f"{name}_{number}"
        made.append(one)
    return made


def _json(answer: Answer) -> bytes:
    table = answer.table
    columns = [{"name": field.name, "kind": kind(field.type)} for field in table.schema]
    # Part by part: as Python has them, numbers take ten times the room of the answer.
    batches = (pa.Table.from_batches([each]) for each in table.to_batches(max_chunksize=BATCH_ROWS) if each.num_rows)
    listed = msgspec.Raw(b"[" + b",".join(msgspec.json.encode(rows(batch))[1:-1] for batch in batches) + b"]")
    found = {
        "columns": columns, "rows": listed, "is_cut": answer.is_cut, "ms": round(answer.elapsed_ms, 1)
    }  # fmt: skip
    return msgspec.json.encode(found)


def _plain(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """The values of a column as JSON can hold them."""
    inner = column.type
    while pa.types.is_list(inner) or pa.types.is_fixed_size_list(inner):
        inner = inner.value_type
    values = column.to_pylist()
    is_as_it_is = pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_string(inner)
    return values if is_as_it_is else [_value(value) for value in values]


def _value(value: object) -> object:
    """One value as JSON can hold it."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value  # base64, by the encoder
    if isinstance(value, list):
        return [_value(one) for one in value]
    if isinstance(value, tuple):  # an entry of a map, or an interval
        return str(value) if hasattr(value, "_fields") or hasattr(value, "months") else [_value(one) for one in value]
    if isinstance(value, dict):
        return {name: _value(one) for name, one in value.items()}
    if isinstance(value, int | float | str | bool | None):
        return value
    return _number_or_text(value)


def _number_or_text(value: object) -> object:
    """A decimal as a number; a moment in ISO 8601."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """A column that has a place in CSV."""
    word = kind(column.type)
    if word in ("list", "record", "bytes") or pa.types.is_interval(column.type):
        spelled = [
            value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')
            for value in _plain(column)
        ]
        return pa.array(spelled, pa.string())
    return column
