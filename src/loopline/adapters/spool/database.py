"""The SQLite file that holds the batches: its tables, its connections, its errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import msgspec
import pyarrow as pa
from blake3 import blake3

from loopline.adapters.spool.batch import SCHEMA, conformed
from loopline.errors import Conflict, Unavailable

TABLES = """
CREATE TABLE IF NOT EXISTS schemas (version INTEGER PRIMARY KEY, arrow BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batches (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, schema INTEGER NOT NULL,
    checksum BLOB NOT NULL, arrow BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ids (id TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally (arm TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doomed (digest TEXT PRIMARY KEY, since_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS damaged (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, sentence TEXT NOT NULL,
    arrow BLOB NOT NULL);
INSERT OR IGNORE INTO state VALUES ('sealed', 0), ('generation', 0);
"""
"""``state``: ``sealed`` is the last position whose row lies in a segment, ``generation`` grows whenever the lane's part
of the manifest changed. ``doomed``: objects that nobody needs unless the manifest names them. ``damaged``: batches that
are not what was written, as they were found."""
VERSION = 3
"""Of the file, and of the Arrow schema that it is written in. Each schema is stored beside the batches, so that any
reader can decode any of them. From 2 on a batch is its Arrow size as 8 little-endian bytes and its Arrow bytes in LZ4:
the hashes and names that rows share make up most of them, and what is not written need not be waited for."""
SIZE_BYTES = 8
LAST = """
SELECT max(coalesce((SELECT first + count - 1 FROM batches ORDER BY first DESC LIMIT 1), 0),
    (SELECT value FROM state WHERE name = 'sealed'))
"""
STATE = "SELECT (SELECT value FROM state WHERE name = 'sealed'), (SELECT value FROM state WHERE name = 'generation')"


class Span(NamedTuple):
    """Where a batch lies: positions ``first`` to ``first + rows - 1``."""

    first: int
    rows: int

    @property
    def last(self) -> int:
        """Its last position."""
        return self.first + self.rows - 1


class State(NamedTuple):
    """What has become of the oldest rows of a spool."""

    sealed: int
    """The last position whose row lies in a segment."""
    generation: int
    """Grows whenever this lane's part of the manifest changed."""


class Spool:
    """The file, open twice: for the one who appends, and for readers, who never wait for each other's connection."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.writer, self.reader = connect(path), connect(path)
        self._writing, self._reading = Lock(), Lock()

    @contextmanager
    def writes(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it, or nothing. Raises Unavailable."""
        with self._writing, storage(self.path), transaction(self.writer):
            yield self.writer

    @contextmanager
    def asks(self) -> Iterator[sqlite3.Connection]:
        """The writer's connection, to read what its last transaction left; waits for no reader."""
        with self._writing, storage(self.path):
            yield self.writer

    @contextmanager
    def reads(self) -> Iterator[sqlite3.Connection]:
        """The readers' connection; each statement sees one moment. Raises Unavailable."""
        with self._reading, storage(self.path):
            yield self.reader

    def state(self) -> State:
        """What is sealed at this moment."""
        with self.reads() as reader:
            return read_state(reader)

    def close(self) -> None:
        """Let go of the file."""
        with self._writing, self._reading:
            self.writer.close()
            self.reader.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return (WAL, synchronous=FULL); tables are made."""
    with storage(path):
        connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            # Sealed rows leave free pages, which later rows fill; after a long jam the rest goes back to the disk.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # Some builds write zeros over each page that is freed; here the next rows are written over it.
            connection.execute("PRAGMA secure_delete = FAST")
            _create(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables that the file lacks. Raises Conflict when a newer program made them."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        remedy = "open it with the program that wrote it"
        raise Conflict("prediction log", found=f"format {found}", expected=f"at most {VERSION}", remedy=remedy)
    if found < VERSION:
        with transaction(connection):
            for statement in TABLES.split(";"):
                connection.execute(statement)
            schema = SCHEMA.serialize().to_pybytes()
            connection.execute("INSERT OR IGNORE INTO schemas VALUES (?, ?)", (VERSION, schema))
            connection.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into Unavailable."""
    try:
        yield
    except sqlite3.Error as error:
        remedy = "free some space or restore the file from a copy; what was acknowledged is not touched"
        raise Unavailable(f"prediction log {path}", reason=str(error), remedy=remedy) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def read_state(connection: sqlite3.Connection) -> State:
    """What is sealed, as this connection sees it."""
    return State._make(connection.execute(STATE).fetchone())


def as_json(ids: pa.StringArray) -> str:
    """The ids for ``json_each``, a third of the cost of a statement for each; empty when they cannot be had so."""
    text = msgspec.json.encode(ids.to_pylist()).decode()
    return "" if "\\u0000" in text else text  # SQLite promises nothing about this letter in JSON


def write_batch(connection: sqlite3.Connection, batch: pa.RecordBatch, *, first: int) -> None:
    """Store the batch and its checksum."""
    content = batch.serialize()
    packed = content.size.to_bytes(SIZE_BYTES, "little") + pa.compress(content, codec="lz4", asbytes=True)
    row = (first, batch.num_rows, VERSION, blake3(packed).digest(), packed)
    connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", row)


class Stored(NamedTuple):
    """A batch as it lies in the file."""

    span: Span
    version: int
    checksum: bytes
    content: bytes
    schema: bytes | None
    """The Arrow schema of its version; None when there is no such version."""


def fetch(connection: sqlite3.Connection, span: Span) -> Stored | None:
    """The bytes of the batch; None when it is no longer there."""
    query = """SELECT b.schema, b.checksum, b.arrow, s.arrow FROM batches b LEFT JOIN schemas s ON s.version = b.schema
               WHERE first = ?"""
    found = connection.execute(query, (span.first,)).fetchone()
    return found and Stored(span, *found)


def fault(stored: Stored) -> str:
    """Why the bytes are not those that were written; empty when they are."""
    actual = blake3(stored.content).digest()
    if actual != stored.checksum:
        return f"checksum {actual.hex()[:12]} found, {stored.checksum.hex()[:12]} expected"
    return "" if stored.schema else f"schema {stored.version} found, none such is known"


def decoded(stored: Stored) -> pa.RecordBatch:
    """The batch in today's columns, from bytes that have no fault."""
    content = pa.py_buffer(stored.content)
    if stored.version > 1:
        size = int.from_bytes(stored.content[:SIZE_BYTES], "little")
        content = pa.decompress(content.slice(SIZE_BYTES), decompressed_size=size, codec="lz4")
    return conformed(pa.ipc.read_record_batch(content, pa.ipc.read_schema(pa.py_buffer(stored.schema))))
