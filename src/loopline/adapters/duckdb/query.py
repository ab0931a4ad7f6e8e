"""One question, one connection: the rows of a SELECT over the views, within its time, rows, bytes and memory."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import duckdb
import pyarrow as pa

from loopline.adapters.duckdb.sentences import refusal
from loopline.adapters.duckdb.views import VIEWS, Source, raise_views
from loopline.adapters.duckdb.wall import check
from loopline.errors import InvalidRecord

MEMORY_MB = 512
MOST_BYTES = 64 << 20
"""Of one answer, in memory."""
BATCH_ROWS = 2_048
THREADS = 2
"""The rest of the machine belongs to those who predict."""
AGAIN_SECONDS = 0.05
"""An interruption that came before the engine had begun is repeated."""


class Answer(NamedTuple):
    """What a query found."""

    table: pa.Table
    is_cut: bool
    """Whether there was more than the rows or the bytes that an answer may have."""
    elapsed_ms: float


class Limits(NamedTuple):
    """What a query may take."""

    rows: int
    seconds: float
    memory_mb: int = MEMORY_MB


def run(sql: str, source: Source, *, limits: Limits, loop: str = "") -> Answer:
    """The answer to one SELECT over ``predictions``, ``outcomes`` and ``reserve_counts``.

    ``loop``: another name of ``predictions``. Reserve rows are in no view. Raises InvalidRecord, in words, when the
    query is refused, wrong, or takes too long; Unavailable when a file went away meanwhile.
    """
    began = time.monotonic()
    check(sql, views=frozenset({*VIEWS, *({loop.lower()} if loop else ())}))
    connection = _walled(source.files, memory_mb=limits.memory_mb)
    try:
        with _interrupted(connection, after=limits.seconds) as is_late:
            try:
                raise_views(connection, source, loop=loop)
                connection.execute("SET lock_configuration = true")
                table, is_cut = _first(connection, sql, rows=limits.rows)
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise refusal(error, limits, is_late=is_late.is_set()) from None
    finally:
        connection.close()
    return Answer(table, is_cut, (time.monotonic() - began) * 1_000)


def _walled(files: Sequence[Path], *, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """The second wall: a database in memory that can open these files and nothing else, and learns nothing new."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "python_enable_replacements": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_unsigned_extensions": "false",
            "temp_directory": "",
            "memory_limit": f"{memory_mb}MB",
            "threads": str(THREADS),
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    if files:
        connection.execute("SET allowed_paths = ?", [[str(file) for file in files]])
    connection.execute("SET enable_external_access = false")
    return connection


def _first(connection: duckdb.DuckDBPyConnection, sql: str, *, rows: int) -> tuple[pa.Table, bool]:
    """At most so many rows, and whether there were more."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InvalidRecord("query", found=f"{len(statements)} statements", expected="one SELECT")
    reader = connection.sql(statements[0]).to_arrow_reader(BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    held = size = 0
    while held <= rows and size <= MOST_BYTES:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            break
        batches.append(batch)
        held, size = held + batch.num_rows, size + batch.nbytes
    table = pa.Table.from_batches(batches, schema=reader.schema)
    return table.slice(0, rows), held > rows or size > MOST_BYTES


@contextmanager
def _interrupted(connection: duckdb.DuckDBPyConnection, *, after: float) -> Iterator[Event]:
    """Interrupt what the connection does once the time is over; the event tells whether it was."""
    is_done, is_late = Event(), Event()

    def watch() -> None:
        wait = after
        while not is_done.wait(wait):
            is_late.set()
            connection.interrupt()
            wait = AGAIN_SECONDS

    watcher = Thread(target=watch, name="query limit", daemon=True)
    watcher.start()
    try:
        yield is_late
    finally:
        is_done.set()
        watcher.join()
