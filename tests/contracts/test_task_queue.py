"""Every task queue, with its answer book, keeps the contract."""

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy import Engine

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.memory.work import MemoryWorkLog
from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.sql.work import SqlWorkLog
from loopline.testing.desk import Desk
from loopline.testing.task_holding import HoldingContract
from loopline.testing.task_queue import AnswersContract, TaskQueueContract
from loopline.testing.work_log import WorkLogContract


class TestMemoryTaskQueue(TaskQueueContract, AnswersContract, HoldingContract, WorkLogContract):
    def make(self) -> Desk:
        ledger = MemoryLedger()
        queue = MemoryTaskQueue(ledger.state)
        return Desk(ledger=ledger, queue=queue, book=queue, work=MemoryWorkLog(ledger.state))


class TestSqliteTaskQueue(TaskQueueContract, AnswersContract, HoldingContract, WorkLogContract):
    @pytest.fixture(autouse=True)
    def _sqlite(self, sqlite: Callable[[str], Engine]) -> None:
        self.fresh = (sqlite(str(number)) for number in count())

    def make(self) -> Desk:
        engine = next(self.fresh)
        return Desk(
            ledger=SqlLedger(engine), queue=SqlTaskQueue(engine), book=SqlAnswerBook(engine), work=SqlWorkLog(engine)
        )
