"""The state database: how it opens, what it holds its schema to, what survives."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from sqlite3 import Connection

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, text, update

from loopline.adapters.sql.database import HEAD, open_database, reading, writing
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.tables import METADATA, RECORD
from loopline.errors import Conflict, InvalidRecord, Unavailable
from loopline.records.cycle import Cycle
from loopline.testing import factories as one

Open = Callable[[], Engine]


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(state: Open) -> None:
    with state().connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_the_newest_migration_is_the_one_the_code_expects() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", "loopline.adapters.sql:migrations")
    assert ScriptDirectory.from_config(configuration).get_current_head() == HEAD


def test_every_connection_is_durable_and_checks_its_references(state: Open) -> None:
    with state().connect() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        assert [connection.execute(text(f"PRAGMA {name}")).scalar() for name in pragmas] == ["wal", 2, 1, 30_000]


def test_what_was_committed_is_there_after_opening_again(state: Open) -> None:
    SqlLedger(state()).commit(one.entry("e1", one.cycle()))
    assert SqlLedger(state()).all(Cycle, one.LOOP) == (one.cycle(),)


def test_a_reader_sees_one_state_while_a_writer_goes_on(state: Open) -> None:
    engine = state()
    ledger, count = SqlLedger(engine), text("SELECT count(*) FROM record")
    with reading(engine) as connection:
        before = connection.execute(count).scalar()
        ledger.commit(one.entry("e1", one.cycle()))
        assert connection.execute(count).scalar() == before == 0


def test_a_write_that_fails_changes_nothing(state: Open) -> None:
    engine = state()

    def fail_halfway() -> None:
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO entry VALUES ('e', 1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM entry")).scalar() == 0


def test_a_record_of_a_newer_schema_is_refused_by_name(state: Open) -> None:
    engine = state()
    ledger = SqlLedger(engine)
    ledger.commit(one.entry("e1", one.cycle()))
    with writing(engine) as connection:
        connection.execute(update(RECORD).values(schema_version=2))
    for read in (lambda: ledger.all(Cycle, one.LOOP), lambda: ledger.get(Cycle, "cycle-1", loop=one.LOOP)):
        with pytest.raises(Conflict) as error:
            read()
        expected = "cycle:cycle-1: schema version 2, expected at most 1; a newer Loopline wrote it: update this one"
        assert str(error.value) == expected


def test_a_record_without_a_field_that_has_a_default_is_still_read(state: Open) -> None:
    engine = state()
    ledger = SqlLedger(engine)
    ledger.commit(one.entry("e1", one.split(1, shadow=False)))
    older = {name: value for name, value in msgspec.to_builtins(one.split(1)).items() if name != "shadow"}
    with writing(engine) as connection:
        connection.execute(update(RECORD).values(body=msgspec.json.encode(older)))
    assert ledger.all(type(one.split()), one.LOOP) == (one.split(1),)


def test_a_number_that_json_cannot_hold_is_refused_before_it_is_lost(state: Open) -> None:
    ledger = SqlLedger(state())
    with pytest.raises(InvalidRecord) as error:
        ledger.commit(one.entry("e1", one.cycle(), one.signal(e_value=float("inf"))))
    assert str(error.value).startswith("signal:signal-1: JSON cannot hold it (Expected `float`, got `null`")
    assert str(error.value).endswith("), expected finite numbers")
    assert ledger.all(Cycle, one.LOOP) == ()


def test_a_database_of_a_newer_schema_is_left_alone(state: Open) -> None:
    engine = state()
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict) as error:
        state()
    assert str(error.value) == (
        f"database {engine.url}: schema 9999, expected at most {HEAD}; a newer Loopline made it: update this one"
    )


@pytest.mark.parametrize(
    ("url", "shown"), [("state.db", "state.db"), ("mysql://loop:secret@db/loop", "mysql://loop:***@db/loop")]
)
def test_a_url_that_names_no_database_is_refused(url: str, shown: str) -> None:
    with pytest.raises(InvalidRecord) as error:
        open_database(url)
    expected = "expected sqlite:///FILE or postgresql://USER@HOST/NAME"
    assert str(error.value) == f"database URL: {shown!r}, {expected}"


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Unavailable) as error:
        open_database("postgresql://loop:secret@db/loop")
    reason = "its driver psycopg is not installed; install loopline[postgres]"
    assert str(error.value) == f"database postgresql://loop:***@db/loop: {reason}"


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as error:
        open_database(f"sqlite:///{tmp_path}/missing/state.db")
    assert str(error.value) == (
        f"database sqlite:///{tmp_path}/missing/state.db: unable to open database file; check the URL and its rights"
    )


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database, but long enough to have a header" * 40)
    with pytest.raises(Unavailable, match="file is not a database"):
        open_database(f"sqlite:///{tmp_path}/state.db")


@pytest.fixture
def full_disk() -> Iterator[Callable[[], None]]:
    """From when it is called on, connections that are opened may not let their file grow by a page."""

    def grow_no_more(connection: Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1").close()

    yield lambda: event.listen(Engine, "connect", grow_no_more)
    event.remove(Engine, "connect", grow_no_more)


def test_a_full_disk_is_answered_with_what_to_do(state: Open, full_disk: Callable[[], None]) -> None:
    state()
    full_disk()
    ledger = SqlLedger(state())
    too_many = one.entry("e1", *(one.cycle(number) for number in range(1, 1_000)))
    with pytest.raises(Unavailable) as error:
        ledger.commit(too_many)
    assert str(error.value) == "database: database or disk is full; free some space on its disk; nothing was changed"
    assert ledger.all(Cycle, one.LOOP) == ()


def test_a_disk_without_room_for_a_database_is_said(tmp_path: Path, full_disk: Callable[[], None]) -> None:
    full_disk()
    with pytest.raises(Unavailable, match="database or disk is full; free some space on its disk"):
        open_database(f"sqlite:///{tmp_path}/state.db")


def test_a_damaged_database_is_answered_with_what_to_do(state: Open) -> None:
    engine = state()
    SqlLedger(engine).commit(one.entry("e1", one.cycle()))
    place = Path(str(engine.url.database))
    engine.dispose()
    content = place.read_bytes()
    place.write_bytes(content[:4_096] + b"x" * (len(content) - 4_096))
    for ask in (state, lambda: SqlLedger(engine).commit(one.entry("e2", one.cycle()))):
        with pytest.raises(Unavailable, match="database disk image is malformed; restore it from a copy"):
            ask()


WRITER = """
import sys
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.testing import factories as one

ledger = SqlLedger(open_database(sys.argv[1]))
for n in range(int(sys.argv[2]), 1_000_000):
    tasks = tuple(one.task(f"t{n}-{i}", str(i)) for i in range(30))
    act = one.activity(f"act-{n}", generated=tuple(f"task:{task.id}" for task in tasks))
    ledger.commit(one.entry(f"e{n}", one.cycle(n), tasks=tasks, activity=act, events=(one.event(f"event-{n}"),)))
    print(n, flush=True)
"""


@pytest.mark.slow
def test_kill_9_leaves_each_entry_whole_or_absent(state: Open) -> None:
    engine = state()
    for start, acknowledged in ((0, 1), (1_000, 4)):  # killed in the midst of the entry after
        command = [sys.executable, "-c", WRITER, str(engine.url), str(start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [int(writer.stdout.readline()) for _ in range(acknowledged)]
            os.kill(writer.pid, signal.SIGKILL)
        ledger = SqlLedger(engine)
        assert {cycle.number for cycle in ledger.all(Cycle, one.LOOP)} >= set(told)
        assert not ledger.commit(one.entry(f"e{told[-1]}", one.cycle(0, phase="closed")))
        with reading(engine) as connection:
            entries, records, tasks, edges, events = (
                connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
                for table in ("entry", "record", "task", "generated", "outbox")
            )
        assert (records, tasks, edges, events) == (entries, 30 * entries, 30 * entries, entries)
