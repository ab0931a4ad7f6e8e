"""Every ledger keeps the contract."""

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy import Engine

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.sql.ledger import SqlLedger
from loopline.testing.ledger import LedgerContract


class TestMemoryLedger(LedgerContract):
    def make(self) -> MemoryLedger:
        return MemoryLedger()


class TestSqliteLedger(LedgerContract):
    @pytest.fixture(autouse=True)
    def _sqlite(self, sqlite: Callable[[str], Engine]) -> None:
        self.fresh = (sqlite(str(number)) for number in count())

    def make(self) -> SqlLedger:
        return SqlLedger(next(self.fresh))
