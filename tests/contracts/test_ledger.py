"""Every ledger keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.testing.ledger import LedgerContract


class TestMemoryLedger(LedgerContract):
    def make(self) -> MemoryLedger:
        return MemoryLedger()


class TestSqliteLedger(LedgerContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.engines = tmp_path, list[Engine]()
        yield
        for engine in self.engines:
            engine.dispose()

    def make(self) -> SqlLedger:
        self.engines.append(open_database(f"sqlite:///{self.folder}/{len(self.engines)}.db"))
        return SqlLedger(self.engines[-1])
