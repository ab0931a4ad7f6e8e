"""Files and request bodies as rows, within limits; of what is no row, why."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, get_args

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from loopline.apps.importing.files import Watch, header_of, kind_of, objects_of
from loopline.apps.importing.row import Found, Parts
from loopline.apps.tasks.account import Row
from loopline.apps.tasks.writing import unguarded
from loopline.errors import InvalidRecord

Kind = Literal["json", "jsonl", "csv", "parquet"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
MOST_ROWS: Final = 100_000
"""Of one request."""
MOST_UNPACKED: Final = 256 << 20
"""Bytes of a Parquet body, unpacked; of a ``.json`` file it is four times as many."""
PACKED: Final = {b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "a gzip file", b"7z\xbc\xaf": "a 7z archive"}
EXPECTED: Final = "a list of JSON objects, or one object"


def rows_in(body: bytes, *, kind: Kind) -> Iterator[Row]:
    """The rows of a request body, by number. Raises InvalidRecord for a body that is none of its kind, or too large."""
    for start, name in PACKED.items():
        if body.startswith(start):
            raise InvalidRecord("request", found=name, expected="what is in it", remedy="unpack it first")
    if kind == "json":
        yield from (_checked(raw, number) for number, raw in enumerate(_listed(body, thing="request"), start=1))
        return
    with TemporaryDirectory(prefix="loopline-") as folder:
        path = Path(folder, f"body.{kind}")
        path.write_bytes(body)
        header_of(path)
        if kind == "parquet":
            _require_bounded(path)
        for count, found in enumerate(rows_of(path, watch=_unwatched), start=1):
            _require_few(count)
            yield Row(int(found.place.rpartition(" ")[2]), found.content, found.trouble)


def rows_of(path: Path, *, watch: Watch) -> Iterator[Found]:
    """The rows of a file, of any size but for ``.json``, which is read whole; cells of CSV as they were written."""
    kind = kind_of(path)
    if kind == "json":
        yield from _objects(path, watch=watch)
        return
    for found in objects_of(path, watch=watch):
        if kind == "csv" and found.content:
            plain = {name: unguarded(cell) for name, cell in found.content.items()}
            yield found._replace(content=plain)
        else:
            yield found


def _objects(path: Path, *, watch: Watch) -> Iterator[Found]:
    size = path.stat().st_size
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text = file.read(4 * MOST_UNPACKED + 1)
    except (OSError, EOFError, zlib.error) as error:
        yield Found(path.name, "", None, f"{error}, expected a file that can be read to its end")
        return
    if len(text) > 4 * MOST_UNPACKED:
        expected = f"at most {4 * MOST_UNPACKED >> 20:,} MiB in one JSON list"
        raise InvalidRecord(path.name, found="more", expected=expected, remedy="export it in parts, or as CSV")
    for number, raw in enumerate(_listed(text, thing=path.name), start=1):
        row = _checked(raw, number)
        yield Found(f"{path.name} object {number}", "", row.content, row.trouble)
        if number % 1_000 == 0:
            watch(Parts(path.name, min(size - 1, number), size))
    watch(Parts(path.name, size, size))


def _listed(text: bytes, *, thing: str) -> list[msgspec.Raw]:
    start = text.removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        if start[:1] == b"[":
            found = msgspec.json.decode(start, type=list[msgspec.Raw])
        else:
            found = [msgspec.json.decode(start, type=msgspec.Raw)]
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidRecord(thing, found=str(error), expected=EXPECTED) from error
    if thing == "request":
        _require_few(len(found))
    return found


def _checked(raw: msgspec.Raw, number: int) -> Row:
    try:
        content = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Row(number, None, f"{error}, expected a JSON object")
    if isinstance(content, dict):
        return Row(number, content)
    return Row(number, None, f"a JSON {type(content).__name__}, expected an object")


def _require_few(count: int) -> None:
    if count > MOST_ROWS:
        found, remedy = f"more than {MOST_ROWS:,} rows", "send it in parts: 'loopline tasks import' does"
        raise InvalidRecord("request", found=found, expected="fewer", remedy=remedy)


def _require_bounded(path: Path) -> None:
    """Raise InvalidRecord for a Parquet file that says of itself that it is too large."""
    try:
        told = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidRecord("request", found=str(error), expected="a Parquet file") from error
    _require_few(told.num_rows)
    size = sum(told.row_group(place).total_byte_size for place in range(told.num_row_groups))
    if size > MOST_UNPACKED:
        found = f"{size >> 20:,} MiB unpacked"
        raise InvalidRecord("request", found=found, expected=f"at most {MOST_UNPACKED >> 20:,} MiB")


def _unwatched(_: Parts) -> None:
    return None
