"""The sealed part of the log: Parquet files by their digest, read by position or by id."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3
from numpy.typing import NDArray

from loopline.adapters.spool.batch import SCHEMA
from loopline.adapters.spool.bloom import hashes, may_hold
from loopline.adapters.spool.catalogue import last
from loopline.adapters.spool.parquet import COLUMNS, Footer, read_footer, read_groups
from loopline.errors import NotFound, Unavailable
from loopline.ports.object_store import ObjectStore
from loopline.records.ids import Digest, PredictionId
from loopline.records.segment import Segment

CHANGED = "matches its digest"
"""What a store says of an object whose bytes are no longer those that were stored."""
FOOTERS = 256
"""Footers that are kept: a few kilobytes each."""
T = TypeVar("T")
Rows = tuple[NDArray[np.int64], pa.Table]
"""Positions, ascending, and the columns of their rows."""


class Missing(Exception):
    """The store has no such object: the segment was packed anew since the manifest was read, or it is lost."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment


class SegmentFiles:
    """Reads segments; a damaged one is set aside until the program starts again, and the rest stays readable."""

    def __init__(self, objects: ObjectStore | None) -> None:
        self._objects = objects
        self._lock, self._asking = Lock(), Lock()
        self._paths: dict[Digest, Path] = {}
        self._footers: OrderedDict[Digest, Footer] = OrderedDict()
        self._damaged: dict[Digest, str] = {}

    def damage(self) -> dict[Digest, str]:
        """A sentence for each segment that is not what was written, as far as it was looked at."""
        return dict(self._damaged)

    def path(self, segment: Segment) -> Path | None:
        """A local file with its rows; None when it is damaged. Raises Missing; Unavailable when the store is away."""
        if segment.digest in self._damaged or self._objects is None:
            return None
        if known := self._held(segment):
            return known
        with self._asking:  # one at a time: a store may write the file that it gives
            return self._held(segment) or self._asked(segment, self._objects)

    def _held(self, segment: Segment) -> Path | None:
        known = self._paths.get(segment.digest)
        return known if known and known.exists() else None

    def _asked(self, segment: Segment, objects: ObjectStore) -> Path | None:
        """The file that the store has or fetches, every byte looked at."""
        try:
            path = self._paths[segment.digest] = Path(objects.path(segment.digest))
        except NotFound as error:
            raise Missing(segment) from error
        except Unavailable as error:
            self._blame(segment, error)
            return None
        return path

    def learn(self, damage: Mapping[Digest, str]) -> None:
        """Set aside what others found damaged."""
        self._damaged.update(damage)

    def set_aside(self, segment: Segment, reason: str) -> None:
        """Leave its rows out of what is read from now on."""
        self._damaged[segment.digest] = (
            f"prediction log, segment {segment.digest[:12]} (rows {segment.first} to {last(segment)}): {reason}; its "
            f"rows are left out: put object {segment.digest} back from a copy and start again"
        )

    def rows(self, segment: Segment, span: range, *, columns: Sequence[str], keep: Callable[[pa.Table], T]) -> list[T]:
        """What ``keep`` makes of each row group that may hold a position in the span; nothing when it is damaged.

        The tables have these columns and ``offset``; their rows are in order of time.
        """
        return self.fold(segment, span, columns=columns, make=lambda tables: [keep(table) for table in tables]) or []

    def fold(
        self, segment: Segment, span: range, *, columns: Sequence[str], make: Callable[[Iterator[pa.Table]], T]
    ) -> T | None:
        """What is made of the row groups that may hold a position in the span, one after the other.

        None when the segment is damaged. ``make`` may be called twice: when the first file was a bad copy.
        """
        start, stop = span.start - segment.first, span.stop - segment.first

        def read(path: str, footer: Footer) -> T:
            groups = [i for i, (low, high) in enumerate(footer.offsets) if low < stop and high >= start]
            return make(read_groups(path, footer, groups=groups, columns=_with_offset(columns)))

        return self._read(segment, read)

    def between(
        self, segment: Segment, span: range, *, columns: Sequence[str], keep: Callable[[pa.Table], pa.Table]
    ) -> Rows:
        """The rows at these positions that ``keep`` leaves, in order; none when the segment is damaged."""
        found = self.rows(segment, span, columns=columns, keep=lambda table: keep(cut(table, segment, span)))
        return _in_order(segment, found, columns)

    def at(
        self, segment: Segment, positions: NDArray[np.int64], *, columns: Sequence[str], threads: bool = False
    ) -> Rows:
        """The rows at these positions, in order, from the row groups that may hold them; none when it is damaged.

        ``threads``: for one who asks alone; several who ask at once are threads themselves.
        """
        wanted = np.unique(positions - segment.first)

        def read(path: str, footer: Footer) -> list[pa.Table]:
            lows, highs = np.array(footer.offsets, np.int64).reshape(-1, 2).T
            hit = np.searchsorted(wanted, lows) < np.searchsorted(wanted, highs, side="right")
            groups = np.flatnonzero(hit).tolist()
            tables = read_groups(path, footer, groups=groups, columns=_with_offset(columns), use_threads=threads)
            # What is taken is copied: a row group is let go before the next is decoded.
            return [table.filter(pa.array(np.isin(table["offset"].to_numpy(), wanted))) for table in tables]

        return _in_order(segment, self._read(segment, read) or [], columns)

    def whole(self, segment: Segment) -> Iterator[pa.Table] | None:
        """All its columns, row group by row group; None when it is damaged. Raises Missing, on the way Unavailable."""
        path = self.path(segment)
        return None if path is None else self._whole(segment, str(path))

    def _whole(self, segment: Segment, path: str) -> Iterator[pa.Table]:
        try:
            footer = self._footer(segment, path)
            yield from read_groups(path, footer, groups=range(len(footer.offsets)))
        except (OSError, pa.ArrowException) as error:
            self._doubt(segment)
            raise Unavailable(f"segment {segment.digest[:12]}", reason=str(error), remedy="try again") from error

    def known(self, segment: Segment, ids: pa.StringArray) -> set[str]:
        """Those of the ids that the segment holds: by range and filter, and where these cannot tell, by its rows."""
        maybe = self.maybe(segment, ids)
        if not len(maybe):
            return set()

        def read(path: str, footer: Footer) -> set[str]:
            groups = _holding(footer, low=pc.min(maybe).as_py(), high=pc.max(maybe).as_py())
            held = (table["id"] for table in read_groups(path, footer, groups=groups, columns=["id"]))
            return {name for column in held for name in column.filter(pc.is_in(column, maybe)).to_pylist()}

        return self._read(segment, read) or set()

    def maybe(self, segment: Segment, ids: pa.StringArray) -> pa.StringArray:
        """Those of the ids that the segment may hold, from what the manifest says of it."""
        within = pc.and_(pc.greater_equal(ids, segment.min_id), pc.less_equal(ids, segment.max_id))
        found = ids.filter(within)
        return found.filter(pa.array(may_hold(segment.ids, hashes(found)))) if len(found) else found

    def find(self, segment: Segment, prediction: PredictionId) -> pa.RecordBatch | None:
        """The row with this id, all its columns; None when the segment has none. Raises Unavailable when damaged."""
        if not len(self.maybe(segment, pa.array([prediction], pa.string()))):
            return None

        def read(path: str, footer: Footer) -> list[pa.RecordBatch]:
            for group in _holding(footer, low=prediction, high=prediction):
                ids = next(read_groups(path, footer, groups=[group], columns=["id"]))
                row = pc.index(ids["id"], prediction).as_py()
                if row >= 0:
                    table = next(read_groups(path, footer, groups=[group], columns=SCHEMA.names))
                    rows: list[pa.RecordBatch] = table.slice(row, 1).combine_chunks().to_batches()
                    return rows
            return []

        found = self._read(segment, read)
        if found is None:
            reason = f"it may lie in a damaged segment ({self._damaged[segment.digest]})"
            raise Unavailable(f"prediction {prediction}", reason=reason)
        return found[0] if found else None

    def _read(self, segment: Segment, read: Callable[[str, Footer], T]) -> T | None:
        """What is read from the file; None when it is damaged. Raises Missing and Unavailable."""
        reason = ""
        for _ in range(2):
            path = self.path(segment)
            if path is None:
                return None
            try:
                return read(str(path), self._footer(segment, str(path)))
            except (OSError, pa.ArrowException) as error:
                self._doubt(segment)
                reason = str(error)
        raise Unavailable(f"segment {segment.digest[:12]}", reason=reason, remedy="try again")

    def _doubt(self, segment: Segment) -> None:
        """Look at every byte of the file: it is damaged, or a bad copy of what the store has, or not to blame."""
        path = self._paths.pop(segment.digest, None)
        self._footers.pop(segment.digest, None)
        # A store hashes a file once; that its bytes have changed since, and nothing else, only a new look tells.
        if path is None or self._objects is None or not path.exists():
            return
        if blake3(path.read_bytes()).hexdigest() == segment.digest:
            return
        try:
            self._objects.get(segment.digest)
            path.unlink(missing_ok=True)
        except NotFound:
            return
        except Unavailable as error:
            self._blame(segment, error)

    def _blame(self, segment: Segment, error: Unavailable) -> None:
        """Set the segment aside when the store says that it is damaged; a store that is away is no reason to."""
        if CHANGED not in error.reason:
            raise error
        self.set_aside(segment, error.reason)

    def _footer(self, segment: Segment, path: str) -> Footer:
        with self._lock:
            if segment.digest in self._footers:
                self._footers.move_to_end(segment.digest)
                return self._footers[segment.digest]
        footer = read_footer(path)
        with self._lock:
            self._footers[segment.digest] = footer
            while len(self._footers) > FOOTERS:
                self._footers.popitem(last=False)
        return footer


def _holding(footer: Footer, *, low: str, high: str) -> list[int]:
    """The row groups that may hold an id in [low, high]."""
    return [i for i, ids in enumerate(footer.ids) if ids is None or (ids[0] <= high and ids[1] >= low)]


def cut(table: pa.Table, segment: Segment, span: range) -> pa.Table:
    """The rows of the segment's table whose positions lie in the span."""
    offset = table["offset"].to_numpy()
    is_within = (offset >= span.start - segment.first) & (offset < span.stop - segment.first)
    return table if is_within.all() else table.filter(pa.array(is_within))


def _with_offset(columns: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((*columns, "offset")))


def _in_order(segment: Segment, tables: Sequence[pa.Table], columns: Sequence[str]) -> Rows:
    """The rows of all tables by position."""
    table = pa.concat_tables([*tables, COLUMNS.empty_table().select([*columns, "offset"])]).combine_chunks()
    offset = table["offset"].to_numpy()
    if (offset[1:] < offset[:-1]).any():
        order = np.argsort(offset, kind="stable")
        offset, table = offset[order], table.take(pa.array(order))
    return offset.astype(np.int64) + segment.first, table.select(columns)
