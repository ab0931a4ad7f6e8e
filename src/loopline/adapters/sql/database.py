"""The engine of the state database: opened, brought up to date, and safe to share between threads and processes."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from sqlite3 import Connection as SqliteConnection

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, inspect, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError

from loopline.errors import Conflict, InvalidRecord, LooplineError, Unavailable

HEAD = "0005"
"""The newest revision in ``migrations/versions``."""
BUSY_SECONDS = 30.0
"""How long a writer waits for another before it gives up."""
_FULL = re.compile(r"disk is full|disk I/O error|No space left")
"""As SQLite and PostgreSQL say it; SQLite says the second when there is no room for the file beside the database."""
_DAMAGED = re.compile(r"malformed")
_WRITER = 0x6C6F6F70
"""Key of PostgreSQL's advisory lock: the one writer at a time that SQLite has by nature."""


def open_database(url: str) -> Engine:
    """The database at this URL, made or migrated to the newest schema: ``sqlite:///state.db``, ``postgresql://...``.

    Raises InvalidRecord for a URL that names no database, Conflict for a schema that is newer than this code,
    Unavailable when the database does not open.
    """
    shown = _shown(url)
    try:
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS} if url.startswith("sqlite") else {})
    except ModuleNotFoundError as error:
        reason, remedy = f"its driver {error.name} is not installed", "install loopline[postgres]"
        raise Unavailable(f"database {shown}", reason=reason, remedy=remedy) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
    try:
        _migrate(engine, shown)
    except DatabaseError as error:
        engine.dispose()
        reason, remedy = str(error.orig), _remedy(error, otherwise="check the URL and its rights")
        raise Unavailable(f"database {shown}", reason=reason, remedy=remedy) from error
    except LooplineError:
        engine.dispose()
        raise
    return engine


def _shown(url: str) -> str:
    """The URL without its password. Raises InvalidRecord unless it names a database of a known kind."""
    expected = "sqlite:///FILE or postgresql://USER@HOST/NAME"
    try:
        place = make_url(url)
    except ArgumentError as error:
        raise InvalidRecord("database URL", found=repr(url), expected=expected) from error
    shown = place.render_as_string(hide_password=True)
    if place.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidRecord("database URL", found=repr(shown), expected=expected)
    return shown


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one unchanging state of the database."""
    with _explained(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # SQLite's transactions are so by nature
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that no other writer overlaps; commits at the end, or changes nothing.

    The lock is taken first: a reader that turns writer halfway would have to be thrown back.
    """
    with _explained(), engine.connect() as connection:
        connection.execution_options(begin="IMMEDIATE")
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_WRITER)))
            yield connection


def insert_new(connection: Connection, table: Table, values: Mapping[str, object]) -> bool:
    """Insert the row and return True; one that clashes with a unique key changes nothing and returns False."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = make(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(added).first() is not None


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if not isinstance(error, OperationalError) and not _DAMAGED.search(str(error.orig)):
            raise
        remedy = _remedy(error, otherwise="nothing was changed, try again")
        raise Unavailable("database", reason=str(error.orig), remedy=remedy) from error


def _remedy(error: DatabaseError, *, otherwise: str) -> str:
    """What a person can do about it."""
    known = ((_FULL, "free some space on its disk; nothing was changed"), (_DAMAGED, "restore it from a copy"))
    return next((remedy for symptom, remedy in known if symptom.search(str(error.orig))), otherwise)


def _configure(connection: SqliteConnection, _: object) -> None:
    # Python's driver would begin transactions by itself, and late; SQLAlchemy's documented cure is to switch that off
    # and to emit BEGIN ourselves (docs, "Enabling Non-Legacy SQLite Transactional Modes").
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")


def _migrate(engine: Engine, shown: str) -> None:
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with writing(engine) as connection:  # a second process waits here, and then finds the work done
        found = _revision(connection)
        if found > HEAD:
            remedy = "a newer Loopline made it: update this one"
            raise Conflict(f"database {shown}", found=f"schema {found}", expected=f"at most {HEAD}", remedy=remedy)
        if found < HEAD:
            _upgrade(connection)


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    configuration = Config()
    configuration.set_main_option("script_location", "loopline.adapters.sql:migrations")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
