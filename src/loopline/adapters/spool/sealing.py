"""From the hot tail to a sealed segment, in steps each of which may be the last before the power fails.

The object is durable, then the manifest names it, then the spool notes that they are sealed, then the hot rows go.
Whoever comes after a crash reads the manifest and does what is left to do: a row is in the segment or in the tail for
its readers, never in neither, never in both.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from threading import Lock
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from blake3 import blake3

from loopline.adapters.spool.catalogue import Catalogue, lane_last
from loopline.adapters.spool.database import LAST, Span, Spool, as_json, fetch
from loopline.adapters.spool.parquet import COLUMNS, FAST, pack
from loopline.adapters.spool.tail import QUARANTINE, Gone, Tail, is_corrupt
from loopline.errors import Conflict, Unavailable
from loopline.ports.manifest import Manifest
from loopline.ports.object_store import ObjectStore
from loopline.records.ids import Digest
from loopline.records.predictions import EPOCH, MICROSECOND
from loopline.records.segment import Segment

SEAL_BYTES = 256 << 20
"""Of Arrow columns: more is left for the next segment, however few the rows, so that sealing has a bounded memory."""
SLICE_ROWS = 2_000
"""Hot rows that are removed at once: some milliseconds in which an append waits."""
FREE_PAGES, VACUUM_PAGES = 16_384, 1_024
"""Removed rows leave room that the next ones fill. Beyond 64 MB, after a store was away, 4 MB go back at a time."""
LANE_END = 1 << 62
COUNT = "INSERT INTO tally VALUES (?, ?) ON CONFLICT (arm) DO UPDATE SET rows = rows + excluded.rows"
SWITCH = "UPDATE state SET value = max(value, ?) WHERE name = 'sealed'"
CHANGED = "UPDATE state SET value = value + 1 WHERE name = 'generation'"
FORGET_ALL = "DELETE FROM ids WHERE position <= ? AND id IN (SELECT value FROM json_each(?))"
FORGET = "DELETE FROM ids WHERE position <= ? AND id = ?"
DOOM = "INSERT OR REPLACE INTO doomed VALUES (?, ?)"


class Chosen(NamedTuple):
    """What the next segment is made of."""

    first: int
    last: int
    """Places in the spool, those of lost rows included."""
    batches: tuple[tuple[int, pa.RecordBatch], ...]
    """The healthy ones, each with its first position."""


class Sealer:
    """Makes segments of the oldest rows of one spool. No lock is held while a file is packed or stored."""

    def __init__(
        self, spool: Spool, tail: Tail, catalogue: Catalogue, *, manifest: Manifest, objects: ObjectStore
    ) -> None:
        self._spool, self._tail, self._catalogue = spool, tail, catalogue
        self._manifest, self._objects = manifest, objects
        self._sealing = Lock()

    def settle(self) -> None:
        """Agree with the manifest on what is sealed. Raises Conflict when the manifest knows less than the spool."""
        state = self._spool.state()
        segments = self._catalogue.now(lambda: state.generation).of(self._catalogue.lane)
        end = lane_last(segments[-1]) if segments else 0
        if end < state.sealed:
            thing = f"prediction log {self._spool.path}"
            found = f"a manifest whose lane {self._catalogue.lane} ends at {end}"
            remedy = "restore the state database from a copy that is no older than the log"
            raise Conflict(thing, found=found, expected=f"its sealed rows up to {state.sealed}", remedy=remedy)
        if end > state.sealed:
            self._switch(segments, end=end)

    def seal(self, *, now: datetime, rows: int) -> Segment | None:
        """The oldest batches of the tail, up to so many rows, as a segment; None when there are no healthy ones.

        A batch that is damaged is left out: its positions belong to the segment, whose ``arms`` count fewer rows.
        """
        with self._sealing:
            self._catalogue.forget()
            self.settle()
            self._trim()
            chosen = self._choose(rows)
            if chosen is None:
                return None
            sealed = self._store(chosen, now=now)
            self._switch((), end=lane_last(sealed))
            self._trim({first: batch.column("id") for first, batch in chosen.batches})
            return sealed

    def _choose(self, rows: int) -> Chosen | None:
        """The oldest rows of the tail: whole batches, at least one that is healthy."""
        first = last = self._spool.state().sealed + 1
        batches: list[tuple[int, pa.RecordBatch]] = []
        size = 0
        for span in self._tail.spans(after=first - 1, until=LANE_END):
            if batches and (span.last - first + 1 > rows or size > SEAL_BYTES):
                break
            batch, last = self._tail.load(span), span.last
            if batch is not None:
                batches.append((span.first, batch))
                size += batch.nbytes
        return Chosen(first, last, tuple(batches)) if batches else None

    def _store(self, chosen: Chosen, *, now: datetime) -> Segment:
        """The segment, durable and in the manifest."""
        lane = self._catalogue.now(lambda: self._spool.state().generation).of(self._catalogue.lane)
        packed = pack([_table(chosen)], level=FAST, max_id=max((each.max_id for each in lane), default=""))
        digest = Digest(blake3(packed.content).hexdigest())
        self.doom((digest,), now=now)  # an object that a crash leaves outside the manifest must not stay for ever
        self._objects.put(packed.content)
        return self._manifest.add(
            Segment(
                digest=digest,
                loop=self._catalogue.loop,
                lane=self._catalogue.lane,
                lane_first=chosen.first,
                first=chosen.first,
                rows=chosen.last - chosen.first + 1,
                size=len(packed.content),
                min_at_us=packed.min_at_us,
                max_at_us=packed.max_at_us,
                min_id=packed.min_id,
                max_id=packed.max_id,
                counts=packed.counts,
                arms=packed.arms,
                tier="hot",
                # A clock that went backwards must not make what is sealed now look older than what was sealed before.
                sealed_at=max([now, *(each.sealed_at for each in lane)]),
                ids=packed.ids,
            )
        )

    def doom(self, digests: tuple[Digest, ...], *, now: datetime) -> None:
        """Note objects that are to be deleted later unless the manifest names them by then."""
        with self._spool.writes() as writer:
            writer.executemany(DOOM, [(digest, micros(now)) for digest in digests])

    def doomed(self, *, before: datetime) -> tuple[Digest, ...]:
        """The objects that were noted before this time."""
        with self._spool.reads() as reader:
            found = reader.execute("SELECT digest FROM doomed WHERE since_us < ? ORDER BY digest", (micros(before),))
            return tuple(Digest(digest) for (digest,) in found)

    def absolve(self, digests: tuple[Digest, ...]) -> None:
        """Forget that these were noted."""
        with self._spool.writes() as writer:
            writer.executemany("DELETE FROM doomed WHERE digest = ?", [(digest,) for digest in digests])

    def changed(self) -> None:
        """Tell every reader of the spool that the manifest has changed."""
        with self._spool.writes() as writer:
            writer.execute(CHANGED)

    def shrink(self) -> None:
        """Give some of the file back to the disk when much more of it is free than sealing leaves."""
        with self._spool.asks() as writer:
            if writer.execute("PRAGMA freelist_count").fetchone()[0] > FREE_PAGES:
                # One step of this statement frees one page; only a script is stepped to its end.
                writer.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")

    def _switch(self, lane: tuple[Segment, ...], *, end: int) -> None:
        """From here on these rows are read from their segments."""
        with self._spool.writes() as writer:
            held = writer.execute(LAST).fetchone()[0]
            if held < end:
                # The spool is younger than its lane's segments: its file was lost. They say what it had counted.
                arms = [pair for each in lane if each.lane_first > held for pair in sorted(each.arms.items())]
                writer.executemany(COUNT, arms)
            writer.execute(SWITCH, (end,))
            writer.execute(CHANGED)

    def _trim(self, known: Mapping[int, pa.StringArray] = MappingProxyType({})) -> None:
        """Remove the hot rows that are sealed, and their ids, a slice at a time: appends go on in between.

        ``known``: the ids of batches that need not be read again, by first position.
        """
        sealed = self._spool.state().sealed
        for slice_ in _slices(self._tail.spans(after=0, until=sealed)):
            found = [(span, known[span.first] if span.first in known else self._ids(span)) for span in slice_]
            with self._spool.writes() as writer:
                for span, ids in found:
                    if ids is not None:
                        _forget(writer, ids, until=span.last)
                        writer.execute("DELETE FROM batches WHERE first = ?", (span.first,))

    def _ids(self, span: Span) -> pa.StringArray | None:
        """Of the batch; None when another process removed it, or when it is damaged: then it is removed here."""
        with suppress(Gone):
            batch = self._tail.load(span)
            if batch is not None:
                return batch.column("id")
            self._bury(span)
        return None

    def _bury(self, span: Span) -> None:
        """Move the damaged batch out of the tail. Its ids stay, so that its rows are missed rather than unknown."""
        sentence = self._tail.damage()[span]
        try:
            with self._spool.writes() as writer:
                stored = fetch(writer, span)
                writer.execute(QUARANTINE, (*span, sentence, stored.content if stored else b""))
                writer.execute("DELETE FROM batches WHERE first = ?", (span.first,))
        except Unavailable as error:
            if not is_corrupt(error):  # where the file itself is broken at this place, the batch stays, and is not read
                raise


def _forget(writer: sqlite3.Connection, ids: pa.StringArray, *, until: int) -> None:
    """Let go of the ids whose rows lie no further than this."""
    if text := as_json(ids):
        writer.execute(FORGET_ALL, (until, text))
    else:
        writer.executemany(FORGET, [(until, name) for name in ids.to_pylist()])


def _slices(spans: list[Span]) -> Iterator[list[Span]]:
    """The batches in runs of some rows each."""
    run: list[Span] = []
    for span in spans:
        run.append(span)
        if sum(each.rows for each in run) >= SLICE_ROWS:
            yield run
            run = []
    if run:
        yield run


def _table(chosen: Chosen) -> pa.Table:
    """The healthy rows, each with its place after the first."""
    places = [np.arange(first, first + batch.num_rows) - chosen.first for first, batch in chosen.batches]
    table = pa.Table.from_batches([batch for _, batch in chosen.batches])
    offset = pa.array(np.concatenate(places).astype(np.int32))
    return table.append_column(COLUMNS.field("offset"), offset)


def micros(at: datetime) -> int:
    """Microseconds since 1970 UTC.

    >>> from datetime import UTC
    >>> micros(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    return (at - EPOCH) // MICROSECOND
