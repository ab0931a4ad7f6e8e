"""The prediction log in one SQLite file: one row a flushed batch, Arrow inside, a checksum on each."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loopline.adapters.spool.batch import SCHEMA, record_batch
from loopline.adapters.spool.batch import prediction as prediction_at
from loopline.adapters.spool.database import Span, connect, read_batch, storage, transaction, write_batch
from loopline.errors import NotFound
from loopline.ports.prediction_log import Appended, PoolRows, ReserveRow, Scores
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction

N = TypeVar("N", bound=np.generic)
LIVE = pa.array(["incumbent", "canary"])
SCORED = ("at_us", "id", "model", "arm", "label", "top", "margin", "entropy", "latency_us", "failure")
POOLED = ("role", "arm", "failure", "id", "content", "inputs", "model", "label", "probabilities", "margin")
SEALED = ("role", "arm", "id", "content", "inputs")
CACHE_BYTES = 64 << 20
"""Decoded batches that are kept; they never change, and the controller asks for the youngest again and again."""
SPANS = """
SELECT first, count FROM batches
WHERE first >= coalesce((SELECT max(first) FROM batches WHERE first <= :start), 0) AND first <= :until ORDER BY first
"""
LAST = "SELECT coalesce(max(first + count - 1), 0) FROM batches WHERE first = (SELECT max(first) FROM batches)"


class SpoolLog:
    """Keeps the promises of PredictionLog, ScoreLog, Pool and ReserveLog on a local disk.

    One process appends, on any of its threads; threads and other processes read while it does.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._writing, self._reading = Lock(), Lock()
        self._writer, self._reader = connect(path), connect(path)
        self._cache: OrderedDict[int, pa.RecordBatch] = OrderedDict()
        self._cached_bytes = 0

    def append(self, predictions: Sequence[Prediction]) -> Appended:
        """Store those not yet held; on the disk when it returns."""
        batch = record_batch(predictions)
        with self._writing, storage(self._path), transaction(self._writer):
            end = self._writer.execute(LAST).fetchone()[0]
            new: list[int] = []
            for row, prediction in enumerate(predictions):
                values = (prediction.id, end + len(new) + 1)
                if self._writer.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", values).rowcount:
                    new.append(row)
            if new:
                kept = batch if len(new) == len(predictions) else batch.take(pa.array(new, pa.int64()))
                write_batch(self._writer, kept, first=end + 1)
            self._count(Counter(predictions[row].arm for row in new))
        return Appended(stored=len(new), repeated=len(predictions) - len(new))

    def find(self, prediction: PredictionId) -> Prediction:
        """The prediction with this id. Raises NotFound."""
        with self._reading, storage(self._path):
            found = self._reader.execute("SELECT position FROM ids WHERE id = ?", (prediction,)).fetchone()
            if found is None:
                raise NotFound("prediction", prediction)
            span = self._spans(after=found[0] - 1, until=found[0])[0]
            return prediction_at(self._batch(span), found[0] - span.first)

    def end(self) -> int:
        """The position of the last row; 0 when empty."""
        with self._reading, storage(self._path):
            return int(self._reader.execute(LAST).fetchone()[0])

    def tally(self) -> dict[str, int]:
        """Rows held, by arm."""
        # Capture asks after each flush: on the writer's side it waits for no reader, however long that one takes.
        with self._writing, storage(self._path):
            return dict(self._writer.execute("SELECT arm, rows FROM tally ORDER BY arm").fetchall())

    def scores(self, *, after: int, until: int) -> Scores:
        """Rows with position in (after, until], in order."""
        position, table = self._table(after, until, columns=SCORED)
        return Scores(
            position=position,
            at_us=_numbers(table["at_us"], np.int64),
            id=_objects(table["id"]),
            model=_objects(table["model"]),
            arm=_objects(table["arm"]),
            label=_objects(table["label"]),
            top=_numbers(table["top"], np.float32),
            margin=_numbers(table["margin"], np.float32),
            entropy=_numbers(table["entropy"], np.float32),
            latency_us=_numbers(table["latency_us"], np.int64),
            failed=_mask(pc.not_equal(table["failure"], "")),
        )

    def rows(self, *, after: int, until: int) -> PoolRows:
        """Answered rows of role ``loop`` and a live arm with position in (after, until], in order."""
        position, table = self._table(after, until, columns=POOLED)
        is_pool = pc.and_(_is_live(table, role="loop"), pc.equal(table["failure"], ""))
        position, table = position[_mask(is_pool)], table.filter(is_pool)
        flat = _numbers(pc.list_flatten(table["probabilities"]), np.float32)
        classes = len(flat) // max(len(position), 1)
        return PoolRows(
            position=position,
            id=_objects(table["id"]),
            content=_objects(table["content"]),
            inputs=_objects(table["inputs"]),
            model=_objects(table["model"]),
            label=_objects(table["label"]),
            probabilities=flat.reshape(len(position), classes),
            margin=_numbers(table["margin"], np.float32),
        )

    def sealed(self, *, after: int, until: int) -> tuple[ReserveRow, ...]:
        """Rows of role ``reserve`` and a live arm in (after, until]; the first of each content only."""
        position, table = self._table(after, until, columns=SEALED)
        is_sealed = _is_live(table, role="reserve")
        sealed = table.filter(is_sealed)
        columns = [sealed[name].to_pylist() for name in ("id", "content", "inputs")]
        first: dict[str, ReserveRow] = {}
        for place, id_, content, inputs in zip(position[_mask(is_sealed)].tolist(), *columns, strict=True):
            first.setdefault(content, ReserveRow(id=id_, content=content, inputs=inputs, position=place))
        return tuple(first.values())

    def close(self) -> None:
        """Let go of the file."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    def _count(self, arms: Counter[str]) -> None:
        upsert = "INSERT INTO tally VALUES (?, ?) ON CONFLICT (arm) DO UPDATE SET rows = rows + excluded.rows"
        self._writer.executemany(upsert, sorted(arms.items()))

    def _spans(self, *, after: int, until: int) -> list[Span]:
        """The batches that hold any position in (after, until], in order."""
        found = self._reader.execute(SPANS, {"start": after + 1, "until": until})
        return [span for span in map(Span._make, found) if span.first + span.rows > after + 1]

    def _batch(self, span: Span) -> pa.RecordBatch:
        """The decoded batch; from memory when it was read before."""
        if span.first in self._cache:
            self._cache.move_to_end(span.first)
            return self._cache[span.first]
        batch = self._cache[span.first] = read_batch(self._reader, span)
        self._cached_bytes += batch.get_total_buffer_size()
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].get_total_buffer_size()
        return batch

    def _table(self, after: int, until: int, *, columns: Sequence[str]) -> tuple[NDArray[np.int64], pa.Table]:
        """Positions in (after, until] and these columns of their rows, index-aligned."""
        with self._reading, storage(self._path):
            spans = self._spans(after=after, until=until)
            table = pa.Table.from_batches([self._batch(span) for span in spans], schema=SCHEMA)
        places = [np.arange(span.first, span.first + span.rows, dtype=np.int64) for span in spans]
        position = np.concatenate([np.empty(0, np.int64), *places])
        start, stop = np.searchsorted(position, [after, until], side="right").tolist()
        # Thousands of small chunks make every later step pay for each; joining them once is the cheapest way out.
        return position[start:stop], table.select(columns).slice(start, max(stop - start, 0)).combine_chunks()


def _is_live(table: pa.Table, *, role: str) -> pa.ChunkedArray:
    return pc.and_(pc.equal(table["role"], role), pc.is_in(table["arm"], value_set=LIVE))


def _mask(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(column.to_numpy(), np.bool_)


def _objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    return np.array(column.to_pylist(), dtype=object)


def _numbers(column: pa.ChunkedArray, kind: type[N]) -> NDArray[N]:
    return np.asarray(column.to_numpy(), kind)
