"""Every audit log keeps the contract; the tables of SQLite let nothing be changed, and outlast the process."""

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy import Engine
from tests.contracts.audit_tables import CHANGES, is_let_through

from loopline.adapters.memory.audit import MemoryAuditLog
from loopline.adapters.sql.audit import SqlAuditLog
from loopline.testing.audit_log import AuditLogContract, act
from loopline.testing.factories import LOOP


class TestMemoryAuditLog(AuditLogContract):
    def make(self) -> MemoryAuditLog:
        return MemoryAuditLog()


class TestSqliteAuditLog(AuditLogContract):
    @pytest.fixture(autouse=True)
    def _sqlite(self, sqlite: Callable[[str], Engine]) -> None:
        self.fresh = (sqlite(str(number)) for number in count())

    def make(self) -> SqlAuditLog:
        return SqlAuditLog(next(self.fresh))


ON_SQLITE = {
    "write over it": "INSERT OR REPLACE INTO audit VALUES ('a0001', 'sentiment', 0, 'ben', '', '', '', '')",
    "update or replace it": "UPDATE OR REPLACE audit SET id = 'a0001' WHERE id = 'a0002'",
    "put another in its place": "INSERT INTO audit VALUES ('a0001', 'sentiment', 0, 'ben', '', '', '', '') "
    "ON CONFLICT (id) DO UPDATE SET actor = 'ben'",
}


@pytest.mark.parametrize("way", [*CHANGES, *ON_SQLITE])
def test_no_statement_changes_what_was_written(state: Callable[[], Engine], way: str) -> None:
    engine = state()
    SqlAuditLog(engine).write((act(1), act(2)))
    assert not is_let_through(engine, (CHANGES | ON_SQLITE)[way])
    assert SqlAuditLog(engine).read(LOOP, newest=9) == (act(2), act(1))


def test_what_was_written_outlasts_the_process(state: Callable[[], Engine]) -> None:
    SqlAuditLog(state()).write((act(1),))
    assert SqlAuditLog(state()).read(LOOP, newest=9) == (act(1),)
