"""The SQLite file that holds the batches: its tables, its connections, its errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from blake3 import blake3

from loopline.adapters.spool.batch import SCHEMA
from loopline.errors import Conflict, Unavailable

TABLES = """
CREATE TABLE IF NOT EXISTS schemas (version INTEGER PRIMARY KEY, arrow BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batches (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, schema INTEGER NOT NULL,
    checksum BLOB NOT NULL, arrow BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ids (id TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally (arm TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;
"""
VERSION = 1
"""Of the file. The Arrow schema is stored beside the batches, so that any reader can decode any of them."""


class Span(NamedTuple):
    """Where a batch lies: positions ``first`` to ``first + rows - 1``."""

    first: int
    rows: int


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on the disk when they return (WAL, synchronous=FULL); tables are made."""
    with storage(path):
        connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            _create(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file. Raises Conflict when a newer program made them."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > VERSION:
        remedy = "open it with the program that wrote it"
        raise Conflict("prediction log", found=f"format {found}", expected=f"at most {VERSION}", remedy=remedy)
    if found < VERSION:
        connection.executescript(TABLES)
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


def write_batch(connection: sqlite3.Connection, batch: pa.RecordBatch, *, first: int) -> None:
    """Store the batch and its checksum."""
    content = batch.serialize().to_pybytes()
    row = (first, batch.num_rows, VERSION, blake3(content).digest(), content)
    connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", row)


def read_batch(connection: sqlite3.Connection, span: Span) -> pa.RecordBatch:
    """The batch at this place. Raises Unavailable when its bytes are not those that were written."""
    query = "SELECT b.checksum, b.arrow, s.arrow FROM batches b JOIN schemas s ON s.version = b.schema WHERE first = ?"
    checksum, content, schema = connection.execute(query, (span.first,)).fetchone()
    actual = blake3(content).digest()
    if actual != checksum:
        last = span.first + span.rows - 1
        raise Unavailable(
            f"prediction log, batch {span.first} (rows {span.first} to {last})",
            reason=f"checksum {actual.hex()[:12]} found, {checksum.hex()[:12]} expected",
            remedy="the disk changed it: restore the file from a copy",
        )
    return pa.ipc.read_record_batch(pa.py_buffer(content), pa.ipc.read_schema(pa.py_buffer(schema)))
