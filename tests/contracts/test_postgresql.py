"""The contracts of ledger and queue on a real PostgreSQL, which the test starts and stops by itself."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from tests.contracts.audit_tables import CHANGES, is_let_through
from tests.contracts.older_queues import OLDER, check_queue, write_at
from tests.contracts.reserve_tables import CROSSINGS, check_after, crossed, settled, write_as_before

from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.audit import SqlAuditLog
from loopline.adapters.sql.database import HEAD, open_database, reading, writing
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.manifest import SqlManifest
from loopline.adapters.sql.offsets import SqlOffsets
from loopline.adapters.sql.outcomes import SqlOutcomes
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.sql.roles import SqlRoleBook
from loopline.adapters.sql.tables import METADATA
from loopline.adapters.sql.work import SqlWorkLog
from loopline.errors import Unavailable
from loopline.testing import factories as one
from loopline.testing.audit_log import AuditLogContract, act
from loopline.testing.ledger import LedgerContract
from loopline.testing.manifest import ManifestContract
from loopline.testing.offsets import OffsetsContract
from loopline.testing.outcome_book import OutcomeBookContract
from loopline.testing.role_book import Registry, RoleBookContract, contents
from loopline.testing.task_holding import HoldingContract
from loopline.testing.task_queue import AnswersContract, Desk, TaskQueueContract
from loopline.testing.work_log import WorkLogContract

pytest.importorskip("psycopg", reason="the PostgreSQL driver psycopg is not installed")
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
pytestmark = [pytest.mark.service, pytest.mark.skipif(not BINARIES, reason="no PostgreSQL server is installed")]
AS_ROOT = os.geteuid() == 0
"""PostgreSQL refuses to run as root."""


def run(*command: str | Path) -> None:
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if AS_ROOT else {}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **user)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="loopline-pg-"))
    if AS_ROOT:
        shutil.chown(folder, "postgres", "postgres")
    control, data = BINARIES[-1] / "pg_ctl", folder / "data"
    run(BINARIES[-1] / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--locale=C.UTF-8")
    # pg_ctl hands its pipes down to the server, which would keep them open: hence the log file
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    run(control, "-D", data, "-l", folder / "log", "-w", "-o", options, "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        run(control, "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def database(server: str) -> Iterator[Engine]:
    engine = open_database(server)
    yield engine
    engine.dispose()


class OnPostgresql:
    @pytest.fixture(autouse=True)
    def _database(self, database: Engine) -> None:
        self.engine = database

    def empty(self) -> Engine:
        with self.engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {', '.join(METADATA.tables)}"))
        return self.engine


class TestPostgresqlLedger(OnPostgresql, LedgerContract):
    def make(self) -> SqlLedger:
        return SqlLedger(self.empty())


class TestPostgresqlRoles(OnPostgresql, RoleBookContract):
    def make(self) -> Registry:
        engine = self.empty()
        return Registry(SqlLedger(engine), SqlRoleBook(engine))

    @pytest.mark.parametrize("way", CROSSINGS)
    def test_no_statement_takes_a_sample_across(self, way: str) -> None:
        engine = settled(self.empty())
        assert not crossed(engine, CROSSINGS[way])
        roles = SqlRoleBook(engine)
        assert (roles.reserved(one.LOOP), roles.selected(one.LOOP)) == (contents("r"), contents("a"))
        assert roles.members(one.LOOP, version=9) == contents("a")


class TestPostgresqlAuditLog(OnPostgresql, AuditLogContract):
    def make(self) -> SqlAuditLog:
        return SqlAuditLog(self.empty())

    @pytest.mark.parametrize("way", CHANGES)
    def test_no_statement_changes_what_was_written(self, way: str) -> None:
        audit = self.make()
        audit.write((act(1), act(2)))
        assert not is_let_through(self.engine, CHANGES[way])
        assert audit.read(one.LOOP, newest=9) == (act(2), act(1))


class TestPostgresqlManifest(OnPostgresql, ManifestContract):
    def make(self) -> SqlManifest:
        return SqlManifest(self.empty())

    def beside(self, _: SqlManifest) -> SqlManifest:
        return SqlManifest(self.engine)


class TestPostgresqlOffsets(OnPostgresql, OffsetsContract):
    def make(self) -> SqlOffsets:
        return SqlOffsets(self.empty())


class TestPostgresqlOutcomes(OnPostgresql, OutcomeBookContract):
    def make(self) -> SqlOutcomes:
        return SqlOutcomes(self.empty())


class TestPostgresqlTaskQueue(OnPostgresql, TaskQueueContract, AnswersContract, HoldingContract, WorkLogContract):
    def make(self) -> Desk:
        engine = self.empty()
        return Desk(
            ledger=SqlLedger(engine), queue=SqlTaskQueue(engine), book=SqlAnswerBook(engine), work=SqlWorkLog(engine)
        )

    def test_a_reader_sees_one_state_while_others_write(self) -> None:
        desk, count = self.make(), text("SELECT count(*) FROM task")
        with reading(self.engine) as connection:
            before = connection.execute(count).scalar()
            desk.publish(one.task())
            assert connection.execute(count).scalar() == before == 0

    def test_people_at_once_never_get_more_of_a_task_than_wanted(self) -> None:
        desk = self.make()
        desk.publish(*(one.task(f"t{n}", f"text {n}", wanted=2) for n in range(12)))
        handed: list[tuple[str, str]] = []

        def claim_all(person: str) -> None:
            while names := desk.claim(person, count=3)[:2]:
                desk.hold(person, *names)
                handed.extend((person, name) for name in names)
                for name in names:
                    desk.say(person, name)

        threads = [threading.Thread(target=claim_all, args=(f"p{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(handed) == len(set(handed)) == 24
        assert (desk.progress().done, desk.progress().annotations) == (12, 24)


def test_opening_again_changes_nothing(server: str) -> None:
    for _ in range(2):
        engine = open_database(server)
        with writing(engine) as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]
        engine.dispose()


def test_what_a_running_loop_has_stored_is_registered(database: Engine, server: str) -> None:
    with database.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("CREATE DATABASE before"))
    url = make_url(server).set(database="before").render_as_string(hide_password=False)
    before = create_engine(url)
    with before.begin() as connection:
        write_as_before(connection)
    before.dispose()
    engine = open_database(url)
    check_after(engine)
    engine.dispose()


@pytest.mark.parametrize("revision", OLDER)
def test_a_queue_of_an_older_schema_goes_on(database: Engine, server: str, revision: str) -> None:
    with database.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"CREATE DATABASE queue{revision}"))
    url = make_url(server).set(database=f"queue{revision}").render_as_string(hide_password=False)
    before = create_engine(url)
    with before.begin() as connection:
        write_at(connection, revision)
    before.dispose()
    engine = open_database(url)
    check_queue(engine)
    engine.dispose()


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    with pytest.raises(Unavailable) as error:
        open_database("postgresql://postgres:secret@/postgres?host=/nowhere")
    assert "secret" not in str(error.value)
    assert str(error.value).startswith("database postgresql://postgres:***@/postgres?host=%2Fnowhere: ")
