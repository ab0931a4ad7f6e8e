"""A dataset version written out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args

import msgspec
import pyarrow as pa

from loopline.apps.export import formats, huggingface
from loopline.apps.export.columns import Book, Payloads
from loopline.apps.export.place import MANIFEST, aside
from loopline.apps.notebook.library import Library
from loopline.errors import InvalidRecord
from loopline.records.dataset import DatasetVersion

Format = Literal["parquet", "csv", "jsonl", "huggingface"]
FORMATS: tuple[Format, ...] = get_args(Format)
Progress = Callable[[int, int], None]
"""Told rows done, and rows in all."""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written."""

    version: str
    to: str
    format: Format
    payloads: Payloads
    rows: int
    files: tuple[str, ...]
    """Names within ``to``; of a single file, its own."""
    formulas: int = 0
    """Cells of a CSV file that a spreadsheet would run: they are written as they are."""


def shape_of(target: Path, wanted: Format | None) -> Format:
    """The format that was asked for, else what the name ends in, else Parquet. Raises InvalidRecord when they clash."""
    named = next((form for form in FORMATS if target.suffix.lower() == f".{form}"), None)
    if wanted and named and wanted != named:
        expected = f"a name that ends in .{wanted}, or a folder"
        raise InvalidRecord(f"export {target}", found=f"a name for {named}", expected=expected)
    return wanted or named or "parquet"


def export(
    library: Library, version: DatasetVersion, *, to: Path, form: Format, payloads: Payloads, progress: Progress
) -> Exported:
    """Write the version to a file, when the name ends like one, or to a folder, with its manifest.

    Raises Conflict when something else is there; nothing is changed then.
    """
    made = library.manifest(version)
    book = Book(version, made.signature, library.rows(version), library.written(version), payloads)
    is_folder = form == "huggingface" or to.suffix.lower() != f".{form}"
    with aside(to, is_folder=is_folder) as place:
        files = _folder(book, place, form=form, progress=progress) if is_folder else (to.name,)
        if not is_folder:
            _file(book, place, form=form, progress=progress, put=None)
    formulas = book.formulas() if form == "csv" else 0
    return Exported(
        version=version.name, to=str(to), format=form, payloads=payloads, rows=version.rows, files=files,
        formulas=formulas,
    )  # fmt: skip


def _folder(book: Book, place: Path, *, form: Format, progress: Progress) -> tuple[str, ...]:
    def put(name: str, content: bytes) -> None:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(content)

    if form == "huggingface":
        (place / "data").mkdir()
        held = _file(book, place / huggingface.DATA, form=form, progress=progress, put=put)
        size = (place / huggingface.DATA).stat().st_size
        put(huggingface.CARD, huggingface.card(book, held=held, size=size).encode())
    else:
        _file(book, place / f"{book.version.name}.{form}", form=form, progress=progress, put=put)
    put(MANIFEST, book.manifest)
    return tuple(sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()))


def _file(book: Book, place: Path, *, form: Format, progress: Progress, put: formats.Put | None) -> int:
    """Write the rows; the bytes that they take in memory."""
    watched = _Watched(book, progress)
    match form:
        case "parquet":
            formats.parquet(watched, place, metadata={"loopline.dataset": book.version.id})
        case "csv":
            formats.csv(book, watched, place, put=put)
        case "jsonl":
            formats.jsonl(book, watched, place, put=put)
        case "huggingface":
            formats.parquet(huggingface.numbered(book, watched), place, metadata=huggingface.metadata(book))
    return watched.held


class _Watched:
    """The batches of a book, counted as they are asked for."""

    def __init__(self, book: Book, progress: Progress) -> None:
        self._book, self._progress = book, progress
        self.held = 0

    def __iter__(self) -> Iterator[pa.Table]:
        done, total = 0, self._book.table.num_rows
        for batch in self._book.batches():
            yield batch
            done, self.held = done + batch.num_rows, self.held + batch.nbytes
            self._progress(done, total)
