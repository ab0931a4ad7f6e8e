"""Sketches on disk: what a pass found in a segment, kept for the next pass of the same name."""

import os
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from blake3 import blake3

from loopline.adapters.spool.sketches import Found, Part, Piece
from loopline.errors import Unavailable
from loopline.ports.columns import Sift
from loopline.records.ids import Digest

BOOK_BYTES = 4 << 30
"""Of kept sketches: 16 bytes a sample and strategy, so that those of 250 million fit."""
LENT_SECONDS = 3_600.0
"""A sketch that was read within these stays: another program may be reading it."""
MAGIC = b"loopline sketch, version 2\n".ljust(32)
HEAD = 64
"""Bytes before the Arrow stream: the magic and the BLAKE3 of what follows."""
ONCE = "once:"
"""Begins the name of a pass that no other pass repeats."""
ANY = "*"
ARRAYS = ("content", "copies", "position", "urgency")


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside the arrays of a kept sketch."""

    first: int
    """Position of the segment's first row."""
    most: int
    """Rows of least key that were asked for."""
    models: tuple[str, ...]


class SketchBook:
    """Keeps a file for each segment and name; several processes may share the folder.

    Beyond ``size`` bytes the longest unused go, but none that was used within the hour: what every pass needs stays.
    A file appears whole or not at all, is hashed before it is used, and made anew when it is not what was written: so
    nothing need be synced.
    """

    def __init__(self, folder: Path, *, size: int = BOOK_BYTES) -> None:
        self._folder, self._size = folder, size

    def find(self, piece: Piece, sift: Sift) -> tuple[Path, Found] | None:
        """What was found in the whole segment by a pass of this name, if enough rows were kept for this one."""
        if not piece.is_whole or sift.name.startswith(ONCE):
            return None
        for model in (ANY, sift.model):
            place = self._place(piece.segment.digest, sift, model=model)
            if (kept := _checked(place)) and _is_enough(*kept, piece):
                with suppress(OSError):
                    os.utime(place)
                return place, kept[1]
        return None

    def keep(self, piece: Piece, sift: Sift, found: Found, *, aside: Path) -> Path:
        """Write what was found; under ``aside`` when it is of use to this pass only. Raises Unavailable."""
        margin = Margin(first=piece.segment.first, most=piece.most, models=found.models)
        if not piece.is_whole or sift.name.startswith(ONCE):
            return self._written(found, margin, place=aside / f"{piece.span.start}-{piece.span.stop}")
        # Of rows that one version answered the order is the same whichever selects.
        model = ANY if len(found.models) < 2 else sift.model
        return self._written(found, margin, place=self._place(piece.segment.digest, sift, model=model))

    def spill(self, found: Found, *, place: Path) -> Found:
        """The same, from a file: so that it need not stay in memory. Raises Unavailable."""
        self._written(found, Margin(first=0, most=0, models=found.models), place=place)
        return read(place) or found

    @contextmanager
    def passing(self) -> Iterator[Path]:
        """A folder for what a pass writes for itself."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(dir=self._folder, prefix="pass-")
        except OSError as error:
            raise self._unwritable(error) from error
        with folder as name:
            yield Path(name)

    def tidy(self, held: Collection[Digest]) -> None:
        """Remove what is of segments that are gone, then the longest unused while there is too much."""
        known = {_short(digest) for digest in held}
        found = sorted(_files(self._folder), key=lambda each: (each[0].st_mtime, each[1]))
        total = sum(stat.st_size for stat, _ in found)
        for stat, path in found:
            is_gone = path.parent != self._folder or path.name.partition("-")[0] not in known
            if (is_gone or total > self._size) and abs(time.time() - stat.st_mtime) > LENT_SECONDS:
                total -= stat.st_size
                with suppress(OSError):
                    path.unlink()
                    if path.parent != self._folder:  # what a pass left that died
                        path.parent.rmdir()

    def _place(self, digest: Digest, sift: Sift, *, model: str) -> Path:
        name = blake3("\0".join((sift.name, sift.reads, model)).encode()).hexdigest()[:16]
        return self._folder / f"{_short(digest)}-{name}.arrow"

    def _written(self, found: Found, margin: Margin, *, place: Path) -> Path:
        content = _packed(found, margin)
        try:
            handle, aside = tempfile.mkstemp(dir=place.parent, prefix="new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(MAGIC + blake3(content).digest())
                    file.write(content)
                Path(aside).replace(place)
            finally:
                Path(aside).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return place

    def _unwritable(self, error: OSError) -> Unavailable:
        reason = f"cannot keep sketches under {self._folder}: {error.strerror}"
        return Unavailable("prediction log", reason=reason, remedy="check its space and its rights")


def read(place: Path) -> Found | None:
    """What a file holds, its arrays in the file itself, unchecked; None when it is not there."""
    try:
        return _unpacked(_mapped(place))[1]
    except (OSError, pa.ArrowException):
        return None


def _checked(place: Path) -> tuple[Margin, Found] | None:
    """What a file holds; None when it is not there, or not what was written."""
    try:
        content = _mapped(place)
        if content.slice(0, HEAD).to_pybytes() != MAGIC + blake3(content.slice(HEAD)).digest():
            return None
        return _unpacked(content)
    except (OSError, pa.ArrowException, ValueError):
        return None


def _is_enough(margin: Margin, found: Found, piece: Piece) -> bool:
    is_all = all(len(part.urgency) == len(part.content) for part in found.parts)
    return margin.first == piece.segment.first and (is_all or margin.most >= piece.least)


def _mapped(place: Path) -> pa.Buffer:
    with pa.memory_map(str(place)) as file:  # the buffer keeps the mapping, and no open file
        return file.read_buffer()


def _packed(found: Found, margin: Margin) -> pa.Buffer:
    """An Arrow stream: a batch of one row for the reserve, then one a part, each array a list."""
    sink = pa.BufferOutputStream()
    schema = _SCHEMA.with_metadata({"margin": msgspec.json.encode(margin)})
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(_batch({"content": found.reserve}, rows=pa.py_buffer(b""), first=0))
        for part in found.parts:
            rows = pa.BufferOutputStream()
            with pa.ipc.new_stream(rows, part.rows.schema) as inner:
                inner.write_table(part.rows)
            arrays = {name: getattr(part, name) for name in ARRAYS}
            writer.write_batch(_batch(arrays, rows=rows.getvalue(), first=part.first))
    return sink.getvalue()


_SCHEMA = pa.schema(
    [
        ("content", pa.large_list(pa.uint64())),
        ("copies", pa.large_list(pa.int32())),
        ("position", pa.large_list(pa.uint32())),
        ("urgency", pa.large_list(pa.float32())),
        ("rows", pa.large_binary()),
        ("first", pa.int64()),
    ]
)


def _batch(arrays: dict[str, np.ndarray], *, rows: pa.Buffer, first: int) -> pa.RecordBatch:
    columns = []
    for name in ARRAYS:
        kind = _SCHEMA.field(name).type
        values = pa.array(np.ascontiguousarray(arrays.get(name, ())), kind.value_type)
        columns.append(pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values))
    ends = pa.py_buffer(np.array([0, rows.size], np.int64))
    columns.append(pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, ends, rows]))
    columns.append(pa.array([first], pa.int64()))
    return pa.record_batch(columns, schema=_SCHEMA)


def _unpacked(content: pa.Buffer) -> tuple[Margin, Found]:
    with pa.ipc.open_stream(pa.BufferReader(content.slice(HEAD))) as reader:
        margin = msgspec.json.decode(reader.schema.metadata[b"margin"], type=Margin)
        reserve, *parts = (_part(batch) for batch in reader)
    return margin, Found(tuple(parts), reserve.content, margin.models)


def _part(batch: pa.RecordBatch) -> Part:
    arrays = {name: batch.column(name)[0].values.to_numpy() for name in ARRAYS}
    rows = batch.column("rows")[0].as_buffer()
    table = pa.ipc.open_stream(rows).read_all() if rows.size else pa.table({})
    return Part(**arrays, rows=table, first=batch.column("first")[0].as_py())


def _files(folder: Path) -> Iterator[tuple[os.stat_result, Path]]:
    """The files in the folder and in those of passes; one that another process takes away meanwhile is none."""
    for path in (*folder.glob("*.arrow"), *folder.glob("new-*"), *folder.glob("pass-*/*")):
        with suppress(FileNotFoundError):
            yield path.stat(), path


def _short(digest: Digest) -> str:
    return digest[:32]
