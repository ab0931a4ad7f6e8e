"""How the SQL queue looks for tasks, goes on with older states, and lets its writers share a transaction."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.exc import IntegrityError
from tests.contracts.older_queues import OLDER, check_queue, write_at

from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.database import open_database, reading
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.offering import LISTS, wanting
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.sql.tables import TASK
from loopline.adapters.sql.turns import Turns
from loopline.adapters.sql.work import SqlWorkLog
from loopline.errors import Conflict
from loopline.testing import factories as one
from loopline.testing.desk import Desk

Open = Callable[[], Engine]
INDEXES = {
    "open": "task_open (loop=? AND skill=? AND language=?)",
    "alike": "task_alike (loop=? AND cluster_name=?)",
    "gold": "task_gold (loop=?)",
    "freed": "sqlite_autoindex_task_1 (id=?)",
    "freed alike": "sqlite_autoindex_task_1 (id=?)",
    "lapsed": "sqlite_autoindex_task_1 (id=?)",
}


@pytest.mark.parametrize("revision", OLDER)
def test_a_queue_of_an_older_schema_goes_on(tmp_path: Path, revision: str) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    before = create_engine(url)
    with before.begin() as connection:
        write_at(connection, revision)
    before.dispose()
    engine = open_database(url)
    check_queue(engine)
    engine.dispose()


@pytest.mark.parametrize("place", INDEXES)
@pytest.mark.parametrize("is_further", [False, True])
def test_no_search_walks_past_what_is_done(state: Open, place: str, is_further: bool) -> None:
    query = wanting(place, has_paused=place.startswith("freed"), is_further=is_further)
    terms: dict[str, object] = {name: ["x", "y"] for name in LISTS}
    terms |= {"loop": "l", "skill": "", "language": "", "wished": "c", "annotator": "ana", "now_us": 1, "count": 9}
    shown = text(f"EXPLAIN QUERY PLAN {query.text}").bindparams(*(p for p in query._bindparams.values() if p.expanding))
    with reading(state()) as connection:
        steps = [row.detail for row in connection.execute(shown, terms)]
    assert steps[0].replace("USING COVERING", "USING") == f"SEARCH task USING INDEX {INDEXES[place]}"
    assert not any(step.startswith("SCAN") for step in steps)
    assert ("USE TEMP B-TREE FOR ORDER BY" in steps) == (place in ("freed", "freed alike", "lapsed"))


def test_tasks_are_published_in_portions_and_known_ones_once(state: Open) -> None:
    engine = state()
    desk = Desk(SqlLedger(engine), SqlTaskQueue(engine), SqlAnswerBook(engine), SqlWorkLog(engine))
    tasks = [one.task(f"t{n:04}", f"text {n}") for n in range(1_201)]
    desk.publish(*tasks[:700])
    desk.publish(*tasks, *tasks[1_200:])
    assert desk.progress().tasks == 1_201
    other = one.task("t1200", "another")
    with pytest.raises(Conflict, match="task t1200: another task under this id, expected a new id"):
        desk.publish(*[one.task(f"u{n}", f"u{n}") for n in range(600)], other)
    with pytest.raises(Conflict, match="task new: another task under this id, expected a new id"):
        desk.publish(one.task("new", "new"), one.task("new", "other"))
    assert desk.progress().tasks == 1_201


def test_a_task_of_a_batch_that_is_over_is_not_handed_out_when_it_comes_late(state: Open) -> None:
    engine = state()
    desk = Desk(SqlLedger(engine), SqlTaskQueue(engine), SqlAnswerBook(engine), SqlWorkLog(engine))
    desk.commit(one.label_batch(), one.cycle(2, phase="closed"))
    desk.publish(*(one.task(f"t{n}", f"text {n}", cycle=n) for n in (1, 2, 3)))
    assert desk.claim("ana", count=9) == ["t3"]


def insert_task(name: str) -> Callable[[Connection], str]:
    def act(connection: Connection) -> str:
        row = {"id": name, "loop": "l", "cycle": 1, "stratum": "chosen", "content": name, "priority": 0}
        connection.execute(TASK.insert().values(**row, wanted=1, answers=0, body=b""))
        return name

    return act


def refuse(connection: Connection) -> str:
    insert_task("refused")(connection)
    raise Conflict("this", found="that", expected="nothing")


def tried(turns: Turns, act: Callable[[Connection], str]) -> str:
    try:
        return turns.run(act)
    except (Conflict, IntegrityError, OverflowError) as error:
        return type(error).__name__


def together(engine: Engine, *acts: Callable[[Connection], str]) -> tuple[list[str], int]:
    """What each act gives, when all of them wait while somebody has the turn; and how often the disk was waited for."""
    turns, commits = Turns(engine), list[int]()
    first, go, outcomes = threading.Event(), threading.Event(), dict[int, str]()

    def hold(_: Connection) -> str:
        first.set()
        go.wait(30)
        return "first"

    def queue(place: int) -> None:
        outcomes[place] = tried(turns, acts[place])

    event.listen(engine, "commit", lambda _: commits.append(1))
    threads = [threading.Thread(target=lambda: turns.run(hold))]
    threads[0].start()
    first.wait(30)
    for place in range(len(acts)):
        threads.append(threading.Thread(target=queue, args=(place,)))
        threads[-1].start()
        while len(turns._waiting) <= place:
            threads[-1].join(0.001)
    go.set()
    for thread in threads:
        thread.join(30)
    return [outcomes[place] for place in range(len(acts))], len(commits)


def names(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return list(connection.execute(select(TASK.c.id).order_by(TASK.c.id)).scalars())


def test_those_who_wait_share_one_commit_and_a_refusal_is_its_own(state: Open) -> None:
    engine = state()
    found = together(engine, insert_task("a"), refuse, insert_task("b"))
    assert found == (["a", "Conflict", "b"], 2)
    assert names(engine) == ["a", "b"]


def test_what_spoils_a_shared_transaction_is_told_to_its_author_alone(state: Open) -> None:
    engine = state()
    Turns(engine).run(insert_task("a"))
    found, _ = together(engine, insert_task("b"), insert_task("a"), insert_task("c"))
    assert found == ["b", "IntegrityError", "c"]
    assert names(engine) == ["a", "b", "c"]


def test_what_the_driver_cannot_take_is_told_to_its_author_alone(state: Open) -> None:
    def too_large(connection: Connection) -> str:
        return str(connection.execute(select(TASK.c.id).limit(2**70)).scalar())

    engine = state()
    found, _ = together(engine, insert_task("a"), too_large, insert_task("b"))
    assert found == ["a", "OverflowError", "b"]
    assert names(engine) == ["a", "b"]


def test_more_people_than_one_transaction_takes_are_all_served(state: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopline.adapters.sql.turns.MOST", 2)
    engine = state()
    found, commits = together(engine, *(insert_task(f"t{n}") for n in range(7)))
    assert (found, commits) == ([f"t{n}" for n in range(7)], 5)
    assert names(engine) == found
