"""Every role book keeps the contract, and the tables of a database hold without any code."""

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy import Engine

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.roles import MemoryRoles
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.roles import SqlRoleBook
from loopline.testing.role_book import Registry, RoleBookContract


class TestMemoryRoles(RoleBookContract):
    def make(self) -> Registry:
        ledger = MemoryLedger()
        return Registry(ledger, MemoryRoles(ledger.state))


class TestSqliteRoles(RoleBookContract):
    @pytest.fixture(autouse=True)
    def _sqlite(self, sqlite: Callable[[str], Engine]) -> None:
        self.fresh = (sqlite(str(number)) for number in count())

    def make(self) -> Registry:
        engine = next(self.fresh)
        return Registry(SqlLedger(engine), SqlRoleBook(engine))
