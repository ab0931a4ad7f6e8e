"""The hot tail of the log: the batches that no segment holds yet, decoded, and what is wrong with some of them."""

import sqlite3
from collections import OrderedDict
from contextlib import suppress
from threading import Lock

import pyarrow as pa

from loopline.adapters.spool.database import Span, Spool, decoded, fault, fetch
from loopline.errors import Unavailable

CACHE_BYTES = 64 << 20
"""Decoded batches that are kept; they never change, and the controller asks for the youngest again and again."""
SPANS = """
SELECT first, count FROM batches
WHERE first >= coalesce((SELECT max(first) FROM batches WHERE first <= :start), 0) AND first <= :until ORDER BY first
"""
QUARANTINE = "INSERT OR IGNORE INTO damaged VALUES (?, ?, ?, ?)"


class Gone(Exception):
    """The batch was sealed, and left the tail, since it was looked for."""


class Tail:
    """Reads the batches of a spool; a damaged one is set aside, and the rest goes on being readable."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._lock = Lock()
        self._cache: OrderedDict[Span, pa.RecordBatch] = OrderedDict()
        self._cached_bytes = 0
        self._damaged: dict[Span, str] = {}

    def spans(self, *, after: int, until: int) -> list[Span]:
        """The batches that hold any position in (after, until], in order."""
        with self._spool.reads() as reader:
            found = reader.execute(SPANS, {"start": after + 1, "until": until}).fetchall()
        return [span for span in map(Span._make, found) if span.last > after]

    def batch(self, span: Span) -> pa.RecordBatch | None:
        """The decoded batch, from memory when it was read before; None when it is damaged. Raises Gone."""
        with self._lock:
            if span in self._cache:
                self._cache.move_to_end(span)
                return self._cache[span]
        batch = self.load(span)
        if batch is not None:
            with self._lock:
                if span not in self._cache:
                    self._cached_bytes += batch.get_total_buffer_size()
                self._cache[span] = batch
                while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                    self._cached_bytes -= self._cache.popitem(last=False)[1].get_total_buffer_size()
        return batch

    def load(self, span: Span) -> pa.RecordBatch | None:
        """The decoded batch, from the file; None when it is damaged. Raises Gone."""
        try:
            with self._spool.reads() as reader:
                stored = fetch(reader, span)
        except Unavailable as error:
            if not is_corrupt(error):
                raise
            self._quarantine(span, str(error.reason), content=b"")
            return None
        if stored is None:
            raise Gone
        reason = fault(stored)
        if not reason:
            batch = decoded(stored)
            reason = "" if batch.num_rows == span.rows else f"{batch.num_rows} rows found, {span.rows} expected"
        if reason:
            self._quarantine(span, reason, content=stored.content)
            return None
        return batch

    def damage(self) -> dict[Span, str]:
        """A sentence for each batch that is not what was written, by its place."""
        with self._spool.reads() as reader:
            stored = reader.execute("SELECT first, count, sentence FROM damaged").fetchall()
        return dict(sorted(({Span(first, rows): sentence for first, rows, sentence in stored} | self._damaged).items()))

    def _quarantine(self, span: Span, reason: str, *, content: bytes) -> None:
        """Tell of the batch and keep its bytes, which are removed from the tail when it is sealed."""
        sentence = (
            f"prediction log {self._spool.path}, batch {span.first} (rows {span.first} to {span.last}): {reason}; "
            f"the disk changed it: its rows are left out, and its bytes are kept in the table 'damaged'"
        )
        self._damaged[span] = sentence
        # Where there is no room to write this down it stays in memory, and the next reader finds it again.
        with suppress(Unavailable), self._spool.writes() as writer:
            writer.execute(QUARANTINE, (span.first, span.rows, sentence, content))


def is_corrupt(error: Unavailable) -> bool:
    """Whether SQLite found its own file damaged at this place."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.DatabaseError) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CORRUPT
