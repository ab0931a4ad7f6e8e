"""A claim of one cluster: in memory as in SQL."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.memory.work import MemoryWorkLog
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.sql.work import SqlWorkLog
from loopline.errors import NotFound
from loopline.ports.ledger import Ledger
from loopline.ports.task_queue import TaskQueue
from loopline.ports.work_log import WorkLog
from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Claim
from loopline.testing import factories as make
from loopline.testing.factories import LOOP, NOW

Rooms = tuple[Ledger, TaskQueue, WorkLog]


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest, sqlite: Callable[[str], Engine]) -> Rooms:
    if request.param == "memory":
        ledger = MemoryLedger()
        return ledger, MemoryTaskQueue(ledger.state), MemoryWorkLog(ledger.state)
    engine = sqlite("one")
    return SqlLedger(engine), SqlTaskQueue(engine), SqlWorkLog(engine)


def claimed(queue: TaskQueue, annotator: str, **changes: object) -> list[str]:
    asked = Claim(annotator=annotator, count=50, strata=frozenset({"chosen"}), seconds=60.0, **changes)  # type: ignore[arg-type]
    return [task.id for task in queue.claim(asked, loop=LOOP, now=NOW)]


def test_a_claim_within_a_cluster_leases_nothing_else(house: Rooms) -> None:
    ledger, queue, _ = house
    tasks = [make.task(f"t{n}", f"text {n}", cluster=("c", "d", "")[n % 3]) for n in range(9)]
    urgent = make.task("u", "urgent", priority=9, cluster="d")
    ledger.commit(make.entry("e", make.cycle(1, phase="published"), tasks=(*tasks, urgent)))
    assert claimed(queue, "ana", within="d") == ["u", "t1", "t4", "t7"]
    assert claimed(queue, "ana", within="c") == ["t0", "t3", "t6"], "what is held of another cluster is left alone"
    assert claimed(queue, "bo", within="c") == []
    assert claimed(queue, "bo") == ["t2", "t5", "t8"]
    assert claimed(queue, "bo", within="nowhere") == []


def test_what_a_paused_person_holds_of_a_cluster_is_open_to_others(house: Rooms) -> None:
    ledger, queue, _ = house
    tasks = [make.task(f"t{n}", f"text {n}", cluster="c" if n else "d") for n in range(3)]
    ledger.commit(make.entry("e", make.cycle(1, phase="published"), tasks=tuple(tasks)))
    claimed(queue, "ana")
    queue.submit([make.annotation("a1", task="t1"), make.annotation("a0", task="t0")], loop=LOOP)
    ledger.commit(make.entry("p", make.standing("ana", state="paused")))
    assert claimed(queue, "bo", within="c") == ["t1", "t2"]


def test_whoever_was_asked_about_a_task_is_known(house: Rooms) -> None:
    ledger, queue, work = house
    tasks = (make.task("t1", "one", wanted=9), make.task("t2", "two"), make.task("t3", "three"))
    ledger.commit(make.entry("e", make.cycle(1, phase="published"), tasks=tasks))
    assert work.asked(LOOP, task=TaskId("t1")) == (tasks[0], frozenset())
    claimed(queue, "ana")
    queue.hold(frozenset(), loop=LOOP, annotator="ana", now=NOW, seconds=60.0)
    queue.skip(make.skip(annotator="bo"), loop=LOOP)
    queue.submit([make.annotation(annotator="chidi")], loop=LOOP)
    queue.withdraw("a1", loop=LOOP, annotator="chidi", now=NOW)
    assert work.asked(LOOP, task=TaskId("t1")).people == {"ana", "bo", "chidi"}
    assert work.asked(LOOP, task=TaskId("t2")).people == {"ana"}
    for loop, task in ((LOOP, "t9"), (LoopName("another"), "t1")):
        with pytest.raises(NotFound, match=f"no task '{task}'"):
            work.asked(loop, task=TaskId(task))
