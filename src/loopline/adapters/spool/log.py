"""The prediction log on a local disk: a hot tail of Arrow batches in SQLite, and sealed segments in an object store."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from loopline.adapters.spool import views
from loopline.adapters.spool.batch import record_batch
from loopline.adapters.spool.catalogue import Catalogue, Segments
from loopline.adapters.spool.database import LAST, Spool, as_json, read_state, write_batch
from loopline.adapters.spool.reading import Parts, Reader
from loopline.adapters.spool.sealing import COUNT, Sealer
from loopline.adapters.spool.segments import Missing, SegmentFiles
from loopline.adapters.spool.sketchbook import SketchBook
from loopline.adapters.spool.survey import Surveyor
from loopline.adapters.spool.tail import Tail
from loopline.errors import Conflict
from loopline.ports.columns import PoolRows, Sift, Sketch
from loopline.ports.fleet import Fleet
from loopline.ports.manifest import Manifest
from loopline.ports.object_store import ObjectStore
from loopline.ports.prediction_log import Appended, ReserveRow, Scores
from loopline.records.ids import LoopName, PredictionId
from loopline.records.prediction import Prediction
from loopline.records.predictions import Predictions
from loopline.records.segment import Segment, Tier

INSERT_ALL = "INSERT OR IGNORE INTO ids SELECT value, ? + key FROM json_each(?)"
INSERT = "INSERT OR IGNORE INTO ids VALUES (?, ?)"

__all__ = ["Parts", "SpoolLog"]


class SpoolLog:
    """Keeps the promises of PredictionLog, ScoreLog, Pool and ReserveLog on a local disk and in an object store.

    Any process may append, on any of its threads, and read meanwhile: SQLite lets one of them write at a time. The rows
    of a lane that is alone are visible at once. With several lanes a row has its position, and its readers, when it is
    sealed; idempotency by id then covers this lane and what others have sealed as far as this process has seen it.
    """

    def __init__(  # noqa: PLR0913  its parts, by name
        self,
        path: Path,
        *,
        loop: str = "",
        lane: str = "main",
        manifest: Manifest | None = None,
        objects: ObjectStore | None = None,
        is_alone: bool = True,
        fleet: Fleet | None = None,
    ) -> None:
        self._is_alone = is_alone
        self._spool = Spool(path)
        self._tail = Tail(self._spool)
        self._catalogue = Catalogue(manifest, loop=LoopName(loop), lane=lane, is_alone=is_alone)
        self.files = SegmentFiles(objects)
        """The sealed rows, for whoever packs them anew."""
        self._reader = Reader(self._spool, self._tail, self._catalogue, self.files)
        book = SketchBook(path.parent / "sketches")
        self.surveyor = Surveyor(self._reader, self.files, book, objects=objects, fleet=fleet)
        """Whoever passes over the pool; ``fleet`` does the work on sealed rows, by default the thread that asks."""
        self._sealer: Sealer | None = None
        if manifest and objects:
            self._sealer = Sealer(self._spool, self._tail, self._catalogue, manifest=manifest, objects=objects)
            try:
                self._sealer.settle()
            except BaseException:
                self.close()
                raise

    def append(self, predictions: Sequence[Prediction] | Predictions) -> Appended:
        """Store those not yet held; on the disk when it returns. Ids whose segment was deleted are not held."""
        batch = record_batch(predictions)
        while True:
            segments = self._catalogue.latest
            try:
                held = self._sealed_ids(segments, batch.column("id"))
            except Missing as error:
                self._reader.miss(error.segment)
                continue
            with self._spool.writes() as writer:
                # What was sealed a moment ago has left, or is leaving, the ids that are looked through here.
                if self._catalogue.seen(read_state(writer).generation) is segments:
                    return _insert(writer, batch, held=held)
            self._reader.segments()

    def find(self, prediction: PredictionId) -> Prediction:
        """The prediction with this id. Raises NotFound; Unavailable when it is, or may be, in a damaged place."""
        return self._reader.find(prediction)

    def end(self) -> int:
        """The position of the last row; 0 when empty. With several lanes, of the last sealed one."""
        if not self._is_alone:
            return self._reader.segments().end
        with self._spool.reads() as reader:
            return int(reader.execute(LAST).fetchone()[0])

    def tally(self) -> dict[str, int]:
        """Rows that this lane has stored, by arm; deleted ones stay counted."""
        # Capture asks after each flush: on the writer's side it waits for no reader, however long that one takes.
        with self._spool.asks() as writer:
            return dict(writer.execute("SELECT arm, rows FROM tally ORDER BY arm").fetchall())

    def scores(self, *, after: int, until: int) -> Scores:
        """Rows with position in (after, until], in order."""
        return views.scores(self._reader.rows(after, until, columns=views.SCORED, keep=views.every))

    def rows(self, *, after: int, until: int) -> PoolRows:
        """Answered rows of role ``loop`` and a live arm with position in (after, until], in order."""
        return views.pool(self._reader.rows(after, until, columns=views.POOLED, keep=views.is_pool))

    def at(self, positions: Sequence[int]) -> PoolRows:
        """Those of the pool at these positions, in order of position, each once."""
        found = self._reader.at(positions, columns=views.POOLED)
        return views.pool(views.chosen(found, keep=views.is_pool))

    def survey(self, sift: Sift, *, after: int, until: int) -> Iterator[Sketch]:
        """One pass over the pool's rows with position in (after, until]: a sketch a piece, by position."""
        return self.surveyor.sketches(sift, after=after, until=min(until, self.end()))

    def read_by(self, fleet: Fleet, *, shards: int) -> "SpoolLog":
        """The same log, whose sealed pool this fleet reads in about so many pieces; 0: one a segment."""
        other = copy(self)
        other.surveyor = self.surveyor.by(fleet, shards=shards)
        return other

    def sealed(self, *, after: int, until: int) -> tuple[ReserveRow, ...]:
        """Rows of role ``reserve`` and a live arm in (after, until]; the first of each content only."""
        return views.reserve(self._reader.rows(after, until, columns=views.SEALED, keep=views.is_reserve))

    def seal(self, *, now: datetime, rows: int) -> Segment | None:
        """Make a segment of the oldest batches of the tail, up to so many rows; None when it has no healthy ones."""
        return self.sealer.seal(now=now, rows=rows)

    @property
    def sealer(self) -> Sealer:
        """What turns hot rows into segments. Raises Conflict when the log has no place for them."""
        if self._sealer is None:
            thing, found = f"prediction log {self._spool.path}", "no manifest and no object store"
            raise Conflict(thing, found=found, expected="both, so that rows can be sealed")
        return self._sealer

    @property
    def loop(self) -> LoopName:
        """Whose predictions these are."""
        return self._catalogue.loop

    @property
    def lane(self) -> str:
        """Which of the loop's writers this is."""
        return self._catalogue.lane

    def waiting(self) -> tuple[int, int]:
        """The place in the spool of the first row that is not sealed, and how many there are."""
        with self._spool.reads() as reader:
            sealed = read_state(reader).sealed
            return sealed + 1, max(0, reader.execute(LAST).fetchone()[0] - sealed)

    def source(self, segment: Segment) -> Iterator[pa.Table] | None:
        """All columns of a segment, row group by row group; None when it is damaged. Raises Unavailable."""
        return self._reader.source(segment)

    def parts(self, *, tiers: tuple[Tier, ...] = ("hot", "archive")) -> Parts:
        """Every row of these tiers and of the tail, once, for programs that read Parquet; damaged places left out."""
        return self._reader.parts(tiers)

    def damage(self) -> tuple[str, ...]:
        """A sentence for each batch and each segment that is not what was written, as far as it was read."""
        return (*self._tail.damage().values(), *self.files.damage().values())

    def close(self) -> None:
        """Let go of the file."""
        self._spool.close()

    def _sealed_ids(self, segments: Segments, ids: pa.StringArray) -> set[str]:
        """Those of the ids that sealed rows have. New ids that grow with time are the greatest, and cost nothing."""
        if not len(ids) or pc.min(ids).as_py() > segments.max_id:
            return set()
        return {name for segment in segments.held for name in self.files.known(segment, ids)}


def _insert(writer: sqlite3.Connection, batch: pa.RecordBatch, *, held: set[str]) -> Appended:
    """Store the rows whose ids are new."""
    end, ids = writer.execute(LAST).fetchone()[0], batch.column("id")
    new: Sequence[int]
    if not held and _are_new(writer, ids, first=end + 1):
        new = range(len(ids))
    else:
        new = _each_new(writer, ids.to_pylist(), first=end + 1, held=held)
    if new:
        kept = batch if len(new) == len(ids) else batch.take(pa.array(new, pa.int64()))
        write_batch(writer, kept, first=end + 1)
        writer.executemany(COUNT, sorted(Counter(kept.column("arm").to_pylist()).items()))
    return Appended(stored=len(new), repeated=len(ids) - len(new))


def _are_new(writer: sqlite3.Connection, ids: pa.StringArray, *, first: int) -> bool:
    """Whether all ids are new, and now held; when some are not, or it is not known, nothing is changed."""
    text = as_json(ids)
    if not text:
        return False
    writer.execute("SAVEPOINT ids")
    is_new = writer.execute(INSERT_ALL, (first, text)).rowcount == len(ids)
    if not is_new:
        writer.execute("ROLLBACK TO ids")
    writer.execute("RELEASE ids")
    return is_new


def _each_new(writer: sqlite3.Connection, ids: Sequence[str], *, first: int, held: set[str]) -> list[int]:
    """The rows with new ids; of equal ids the first."""
    new: list[int] = []
    for row, name in enumerate(ids):
        if name not in held and writer.execute(INSERT, (name, first + len(new))).rowcount:
            new.append(row)
    return new
