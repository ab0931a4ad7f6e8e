"""Every task queue, with its answer book, keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.testing.desk import Desk
from loopline.testing.task_queue import AnswersContract, TaskQueueContract


class TestMemoryTaskQueue(TaskQueueContract, AnswersContract):
    def make(self) -> Desk:
        ledger = MemoryLedger()
        queue = MemoryTaskQueue(ledger.state)
        return Desk(ledger=ledger, queue=queue, book=queue)


class TestSqliteTaskQueue(TaskQueueContract, AnswersContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.engines = tmp_path, list[Engine]()
        yield
        for engine in self.engines:
            engine.dispose()

    def make(self) -> Desk:
        engine = open_database(f"sqlite:///{self.folder}/{len(self.engines)}.db")
        self.engines.append(engine)
        return Desk(ledger=SqlLedger(engine), queue=SqlTaskQueue(engine), book=SqlAnswerBook(engine))
