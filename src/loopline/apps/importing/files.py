"""Files as the objects in them, read in pieces however large they are."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from loopline.apps.importing.row import Found, Parts
from loopline.errors import InvalidRecord, NotFound

KINDS: Final = ("jsonl", "ndjson", "json", "csv", "parquet")
WHOLE_BYTES: Final = 64 << 20
"""A ``.json`` file up to this size, unpacked, may be one object or one array; a larger one holds an object a line."""
LONGEST_LINE: Final = 64 << 20
CHUNK_ROWS: Final = 1_000
TEXT: Final[dict[str, Any]] = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
"""What is no UTF-8 is kept apart, and refused with its row rather than with the file."""
Watch = Callable[[Parts], None]
"""Is told how far a file has been read."""


def files_of(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The files, folders replaced by the readable files below them, in order of name.

    Raises NotFound for what is not there, InvalidRecord for a file of another kind and for a folder without any.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise NotFound("file", str(path))
        below = (
            [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file() and kind_of(each))
        )
        if not below or not all(map(kind_of, below)):
            expected = ", ".join(f".{kind}" for kind in KINDS) + ", the text ones also with .gz"
            raise InvalidRecord(str(path), found="no such file" if path.is_dir() else "another kind", expected=expected)
        found += below
    return tuple(found)


def kind_of(path: Path) -> str:
    """What kind of file its name says it is; empty for one that is not read.

    >>> kind_of(Path("served.jsonl.gz")), kind_of(Path("notes.txt"))
    ('jsonl', '')
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    kind = suffix.lower().removeprefix(".")
    return kind if kind in KINDS and not (kind == "parquet" and path.suffix == ".gz") else ""


def objects_of(path: Path, *, watch: Watch) -> Iterator[Found]:
    """Each object of the file in order, rows that are none included, each with its trouble."""
    read = {"csv": _csv, "parquet": _parquet, "json": _json}.get(kind_of(path), _lines)
    try:
        yield from read(path, _digest(path)[:24], watch)
    except (EOFError, OSError, zlib.error) as error:
        yield Found(path.name, "", None, f"{error}, expected a file that can be read to its end")


def header_of(path: Path) -> tuple[str, ...]:
    """The column names of a CSV or Parquet file; none of others. Raises InvalidRecord for a file that is none."""
    if kind_of(path) == "parquet":
        try:
            return tuple(pq.read_schema(path).names)
        except pa.ArrowInvalid as error:
            raise InvalidRecord(path.name, found=str(error), expected="a Parquet file") from error
    if kind_of(path) != "csv":
        return ()
    try:
        with _opened(path) as file, io.TextIOWrapper(file, **TEXT) as text:
            names = tuple(next(csv.reader(text, strict=True), ()))
    except (csv.Error, EOFError, OSError, zlib.error) as error:
        raise InvalidRecord(path.name, found=str(error), expected="a CSV file") from error
    if not names or len(set(names)) < len(names) or not all(map(str.isprintable, names)):
        found = f"columns {', '.join(map(ascii, names)) or 'none'}"
        raise InvalidRecord(path.name, found=found, expected="a header of distinct names in UTF-8")
    return names


def _digest(path: Path) -> str:
    hasher = blake3()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hasher.update(piece)
    return hasher.hexdigest()


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _lines(path: Path, digest: str, watch: Watch) -> Iterator[Found]:
    size, at = path.stat().st_size, path.stat().st_mtime
    with path.open("rb") as raw:
        packed = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        number = 0
        while text := packed.readline(LONGEST_LINE + 1):
            number += 1
            if number % CHUNK_ROWS == 0:
                watch(Parts(path.name, raw.tell(), size))
            place, name = f"{path.name} line {number}", f"{digest}-{number}"
            if len(text) > LONGEST_LINE:
                while text and not text.endswith(b"\n"):
                    text = packed.readline(LONGEST_LINE)
                yield Found(place, name, None, f"more than {LONGEST_LINE:,} bytes, expected a JSON object", at)
            elif text.strip():
                yield _decoded(text, place=place, name=name, at=at)
    watch(Parts(path.name, size, size))


def _json(path: Path, digest: str, watch: Watch) -> Iterator[Found]:
    at, size = path.stat().st_mtime, path.stat().st_size
    with _opened(path) as file:
        text = file.read(WHOLE_BYTES + 1)
    if len(text) > WHOLE_BYTES:
        yield from _lines(path, digest, watch)
        return
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield from _lines(path, digest, watch)
        return
    for number, each in enumerate(content if isinstance(content, list) else [content], start=1):
        yield _checked(each, place=f"{path.name} object {number}", name=f"{digest}-{number}", at=at)
    watch(Parts(path.name, size, size))


def _decoded(text: bytes, *, place: str, name: str, at: float) -> Found:
    try:
        return _checked(msgspec.json.decode(text), place=place, name=name, at=at)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Found(place, name, None, f"{error}, expected a JSON object", at)


def _checked(content: Any, *, place: str, name: str, at: float) -> Found:
    if isinstance(content, dict):
        return Found(place, name, content, "", at)
    return Found(place, name, None, f"a JSON {type(content).__name__}, expected an object", at)


def _csv(path: Path, digest: str, watch: Watch) -> Iterator[Found]:
    csv.field_size_limit(LONGEST_LINE)
    size, at = path.stat().st_size, path.stat().st_mtime
    with path.open("rb") as raw:
        packed = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        text = io.TextIOWrapper(packed, **TEXT)
        reader = csv.reader(text, strict=True)
        names = next(reader, [])
        for number in _counted(watch, path.name, raw, size):
            try:
                cells = next(reader, None)
            except csv.Error as error:
                cells, trouble = [], f"{error}, expected a CSV row"
            else:
                trouble = ""
            if cells is None:
                break
            place, name = f"{path.name} line {reader.line_num}", f"{digest}-{number}"
            if not trouble and not cells:
                continue
            if not trouble and len(cells) != len(names):
                trouble = f"{len(cells)} fields, expected {len(names)}"
            yield Found(place, name, None if trouble else dict(zip(names, cells, strict=True)), trouble, at)
    watch(Parts(path.name, size, size))


def _counted(watch: Watch, name: str, raw: IO[bytes], size: int) -> Iterator[int]:
    number = 0
    while True:
        number += 1
        if number % CHUNK_ROWS == 0:
            watch(Parts(name, raw.tell(), size))
        yield number


def _parquet(path: Path, digest: str, watch: Watch) -> Iterator[Found]:
    at, number = path.stat().st_mtime, 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            rows = file.metadata.num_rows
            for batch in file.iter_batches(CHUNK_ROWS):
                for each in _to_microseconds(batch).to_pylist():
                    number += 1
                    yield Found(f"{path.name} row {number}", f"{digest}-{number}", each, "", at)
                watch(Parts(path.name, number, rows))
    except (pa.ArrowException, OSError, OverflowError, ValueError) as error:
        trouble = f"{error}, expected a whole Parquet file; what comes after is not read"
        yield Found(f"{path.name} row {number + 1}", f"{digest}-{number + 1}", None, trouble, at)


def _to_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with times that Python's own can hold: pandas writes nanoseconds."""
    columns = [
        column.cast(pa.timestamp("us", column.type.tz), safe=False)
        if str(column.type).startswith("timestamp[ns")
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
