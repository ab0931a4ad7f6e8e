"""One log from two places: sealed segments and the hot tail, read as if nothing moved from one to the other."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from loopline.adapters.spool.batch import SCHEMA
from loopline.adapters.spool.batch import prediction as prediction_at
from loopline.adapters.spool.catalogue import Catalogue, Segments, last
from loopline.adapters.spool.database import Span, Spool
from loopline.adapters.spool.segments import Missing, Rows, SegmentFiles
from loopline.adapters.spool.tail import Gone, Tail
from loopline.errors import NotFound, Unavailable
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.records.segment import Segment, Tier

CHUNK_ROWS = 32_768
"""Rows of the tail that are joined at once."""
LOG_END = 1 << 62
POSITION = pa.field("position", pa.int64())
T = TypeVar("T")


class Parts(NamedTuple):
    """Everything that a query may read, as of one moment."""

    files: tuple[Path, ...]
    """Parquet files with the columns of a prediction and ``offset``, by position."""
    tail: pa.Table
    """The rows that no file holds, with the columns of a prediction and ``position``."""
    firsts: tuple[int, ...]
    """Of each file, the position of offset 0."""


class Reader:
    """Reads a log by position and by id while it is appended to, sealed and packed."""

    def __init__(self, spool: Spool, tail: Tail, catalogue: Catalogue, files: SegmentFiles) -> None:
        self._spool, self._tail, self._catalogue, self._files = spool, tail, catalogue, files

    def segments(self) -> Segments:
        """The sealed part of the log at this moment."""
        return self._catalogue.now(lambda: self._spool.state().generation)

    def rows(
        self, after: int, until: int, *, columns: Sequence[str], keep: Callable[[pa.Table], pa.Table]
    ) -> Iterator[Rows]:
        """The rows at positions in (after, until] that ``keep`` leaves, in order, some at a time."""
        cursor = max(after, 0)
        while cursor < until:
            segment = self.segments().at(cursor + 1)
            if segment:
                stop = min(last(segment), until)
                span = range(cursor + 1, stop + 1)
                found = self._cold(segment, span, columns=columns, keep=keep)
                if found:
                    cursor = stop
                    yield found
            elif self._catalogue.is_alone:
                spans = self._tail.spans(after=cursor, until=until)
                if not spans or spans[0].first > cursor + 1:
                    if self.segments().at(cursor + 1):  # sealed since it was looked for
                        continue
                    if not spans:
                        return
                table, cursor = self._hot(spans, after=cursor, until=until, columns=columns)
                kept = keep(table)
                yield kept["position"].to_numpy(), kept.select(columns)
            else:
                return

    def at(self, positions: Sequence[int], *, columns: Sequence[str]) -> Iterator[Rows]:
        """The rows at these positions, in order, from the row groups and batches that hold them."""
        left = np.unique(np.array(positions, np.int64))
        left = left[left > 0]
        while len(left):
            segment = self.segments().at(int(left[0]))
            if segment is None:
                # Neighbours in the tail lie in one batch, so a stretch of it is read at a time.
                stop = min(int(left[0]) + CHUNK_ROWS, int(left[-1])) if self._catalogue.is_alone else int(left[-1])
                for position, table in self.rows(int(left[0]) - 1, stop, columns=columns, keep=lambda table: table):
                    is_wanted = np.isin(position, left)
                    yield position[is_wanted], table.filter(pa.array(is_wanted))
                left = left[left > stop]
                continue
            within = left[left <= last(segment)]
            if segment.tier != "deleted":
                try:
                    yield self._files.at(segment, within, columns=columns, threads=True)
                except Missing:
                    self.miss(segment)
                    continue
            left = left[len(within) :]

    def find(self, prediction: PredictionId) -> Prediction:
        """The prediction with this id. Raises NotFound; Unavailable when it is, or may be, in a damaged place."""
        with self._spool.reads() as reader:
            place = reader.execute("SELECT position FROM ids WHERE id = ?", (prediction,)).fetchone()
        found = self._hot_row(place[0], prediction) if place else None
        return found or self.whole(lambda segments: self._cold_row(segments, prediction))

    def parts(self, tiers: tuple[Tier, ...]) -> Parts:
        """The files of these tiers and the rows of the tail, each row of the log in one of them."""
        while True:
            segments = self.segments()
            tail = self._whole_tail(after=segments.end)
            # Nothing was sealed in between: then the segments and the tail are those of one moment.
            if tail is not None and self._catalogue.seen(self._spool.state().generation) is not None:
                held = [each for each in segments.held if each.tier in tiers]
                try:
                    paths = [(path, each.first) for each in held if (path := self._files.path(each))]
                except Missing as error:
                    self.miss(error.segment)
                    continue
                return Parts(tuple(path for path, _ in paths), tail, tuple(first for _, first in paths))

    def whole(self, read: Callable[[Segments], T]) -> T:
        """What is read from the segments, all of one moment, whatever is packed anew meanwhile."""
        while True:
            try:
                return read(self.segments())
            except Missing as error:
                self.miss(error.segment)

    def source(self, segment: Segment) -> Iterator[pa.Table] | None:
        """All columns of a segment, row group by row group; None when it is damaged. Raises Unavailable."""
        try:
            return self._files.whole(segment)
        except Missing:
            self.miss(segment)
            return None

    def miss(self, segment: Segment) -> None:
        """Look at the manifest again; a segment that it still names, and that is not there, is lost."""
        self._catalogue.forget()
        if segment.digest in {each.digest for each in self.segments().held}:
            self._files.set_aside(segment, "its object is not in the store")

    def _cold(
        self, segment: Segment, span: range, *, columns: Sequence[str], keep: Callable[[pa.Table], pa.Table]
    ) -> Rows | None:
        """The rows of a segment; None when it was packed anew, and others hold them now."""
        if segment.tier == "deleted":
            return np.empty(0, np.int64), SCHEMA.empty_table().select(columns)
        try:
            return self._files.between(segment, span, columns=columns, keep=keep)
        except Missing:
            self.miss(segment)
            return None

    def _cold_row(self, segments: Segments, prediction: PredictionId) -> Prediction:
        doubt: Unavailable | None = None
        for segment in reversed(segments.held):
            try:
                batch = self._files.find(segment, prediction)
            except Unavailable as error:  # another may hold it
                doubt = error
                continue
            if batch:
                return prediction_at(batch, 0)
        if doubt:
            raise doubt
        raise NotFound("prediction", prediction)

    def _hot_row(self, position: int, prediction: PredictionId) -> Prediction | None:
        """The row at this position of the tail; None when it has been sealed. Raises Unavailable when it is damaged."""
        spans = self._tail.spans(after=position - 1, until=position)
        try:
            batch = self._tail.batch(spans[0]) if spans else None
        except Gone:
            return None
        if batch:
            return prediction_at(batch, position - spans[0].first)
        for span, sentence in self._tail.damage().items():
            if span.first <= position <= span.last:
                raise Unavailable(f"prediction {prediction}", reason=f"it lies in a damaged batch ({sentence})")
        return None

    def _hot(self, spans: list[Span], *, after: int, until: int, columns: Sequence[str]) -> tuple[pa.Table, int]:
        """The first of these batches, as a table with ``position``; and how far it goes."""
        found, rows, cursor = [SCHEMA.append(POSITION).empty_table().select([*columns, "position"])], 0, after
        for span in spans:
            try:
                batch = self._tail.batch(span)
            except Gone:  # sealed since: the segment has it
                break
            cursor = min(span.last, until)
            if batch is not None:
                start = max(after + 1 - span.first, 0)
                found.append(_placed(batch, span.first, columns).slice(start, cursor - span.first + 1 - start))
            rows += span.rows
            if rows >= CHUNK_ROWS:
                break
        return pa.concat_tables(found).combine_chunks(), cursor

    def _whole_tail(self, *, after: int) -> pa.Table | None:
        """Every hot row after this position; None when some were sealed meanwhile."""
        found = [SCHEMA.append(POSITION).empty_table()]
        try:
            for span in self._tail.spans(after=after, until=LOG_END) if self._catalogue.is_alone else ():
                batch = self._tail.batch(span)
                if batch is not None:
                    found.append(_placed(batch, span.first, SCHEMA.names))
        except Gone:
            return None
        return pa.concat_tables(found)


def _placed(batch: pa.RecordBatch, first: int, columns: Sequence[str]) -> pa.Table:
    """The columns of the batch, and the position of each row."""
    position = pa.array(np.arange(first, first + batch.num_rows, dtype=np.int64))
    return pa.Table.from_batches([batch]).select(columns).append_column(POSITION, position)
