"""Many people at once over one SQLite file; and the SQL queue as the twin of the one in memory."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import Engine, update

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.memory.work import MemoryWorkLog
from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.database import open_database, reading, writing
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.sql.tables import LEASE, TASK
from loopline.adapters.sql.work import SqlWorkLog
from loopline.errors import LooplineError
from loopline.records.ids import CommandId, TaskId
from loopline.records.lineage import Entry, Raise
from loopline.records.task import Annotation
from loopline.testing import factories as one
from loopline.testing.desk import GOLD, WORK, Desk

Open = Callable[[], Engine]
PEOPLE = 16


def sql_desk(engine: Engine) -> Desk:
    return Desk(
        ledger=SqlLedger(engine), queue=SqlTaskQueue(engine), book=SqlAnswerBook(engine), work=SqlWorkLog(engine)
    )


def work(desk: Desk, person: str, *, seen: list[str], failures: list[Exception]) -> None:
    """Claim, give the third back, and answer until nothing is left; every answer is sent twice, as after a lost ack."""
    try:
        while names := desk.claim(person, count=3)[:2]:
            assert desk.hold(person, *names) == len(names)
            seen += names
            answers = [one.annotation(f"{person}/{name}", task=name, annotator=person) for name in names]
            assert (desk.submit(*answers), desk.submit(*answers)) == (len(names), 0)
    except (AssertionError, LooplineError) as error:
        failures.append(error)


def test_sixteen_people_at_once_lose_nothing_and_double_nothing(state: Open) -> None:
    engines = [state(), state()]  # as two processes would
    desks = [sql_desk(engine) for engine in engines]
    tasks = [one.task(f"t{n:02}", f"text {n % 40}", wanted=1 + n % 3) for n in range(60)]
    desks[0].publish(*tasks)
    seen: list[list[str]] = [[] for _ in range(PEOPLE)]
    failures: list[Exception] = []
    threads = [
        threading.Thread(target=work, args=(desks[n % 2], f"p{n}"), kwargs={"seen": seen[n], "failures": failures})
        for n in range(PEOPLE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    content = {task.id: task.content for task in tasks}
    assert all(len({content[TaskId(name)] for name in names}) == len(names) for names in seen)
    answers = desks[1].book.answers(one.LOOP, cycle=1).annotations
    assert Counter(answer.task for answer in answers) == {task.id: task.wanted for task in tasks}
    assert sorted(answer.id for answer in answers) == sorted(f"p{n}/{name}" for n in range(PEOPLE) for name in seen[n])
    assert desks[1].progress().is_complete


def test_an_answer_is_on_disk_when_submit_returns(state: Open) -> None:
    engines = [state(), state()]
    sql_desk(engines[0]).publish(one.task())
    sql_desk(engines[0]).say("ana", "t1")
    assert sql_desk(engines[1]).standing() == ["ana-t1"]


def test_a_pause_rewrites_no_task(state: Open) -> None:
    engine = state()
    desk = sql_desk(engine)
    desk.publish(one.task())
    desk.say("ana", "t1")
    with reading(engine) as connection:
        before = connection.execute(TASK.select()).all()
    desk.commit(one.standing("ana", state="paused"))
    with reading(engine) as connection:
        assert connection.execute(TASK.select()).all() == before
    assert desk.progress().done == 0


def test_the_count_of_answers_kept_with_a_task_is_that_of_its_annotations(state: Open) -> None:
    engine = state()
    desk = sql_desk(engine)
    desk.publish(one.task(), one.task("t2", "bad"))
    for person in ("ana", "ana", "bob", "eve"):
        desk.say(person, "t1")
    for _ in range(2):
        desk.withdraw("ana-t1")
    with reading(engine) as connection:
        assert dict(connection.execute(TASK.select().with_only_columns(TASK.c.id, TASK.c.answers)).all()) == {
            "t1": 2,
            "t2": 0,
        }


def test_an_ended_lease_is_remembered_as_asked(state: Open) -> None:
    engine = state()
    desk = sql_desk(engine)
    desk.publish(one.task("t1", "good"), one.task("t2", "good", cycle=2))
    desk.say("ana", "t1")  # without a claim
    assert desk.claim("ana", count=9) == []
    with writing(engine) as connection:  # what the rule rests on
        connection.execute(update(LEASE).values(content="another"))
    assert desk.claim("ana", count=9) == ["t2"]


PERSON, TASK_NAME, NUMBER = st.sampled_from(["ana", "bob", "eve"]), st.sampled_from("abcdegsz"), st.integers(0, 2)
ACT = st.one_of(
    st.tuples(st.just("claim"), PERSON, st.integers(0, 4), st.booleans()),
    st.tuples(st.just("choose"), PERSON, st.integers(1, 3), st.sampled_from(["", *"abdex"])),
    st.tuples(st.just("hold"), PERSON, st.frozensets(TASK_NAME), NUMBER),
    st.tuples(st.just("say"), PERSON, TASK_NAME, NUMBER),
    st.tuples(st.just("reuse"), PERSON, TASK_NAME, NUMBER),
    st.tuples(st.just("skip"), PERSON, TASK_NAME, NUMBER),
    st.tuples(st.just("withdraw"), PERSON, TASK_NAME, NUMBER),
    st.tuples(st.just("pause"), PERSON, st.booleans(), NUMBER),
    st.tuples(st.just("raise"), PERSON, TASK_NAME, NUMBER),
    st.tuples(st.just("label"), PERSON, st.integers(1, 2), NUMBER),
)
TASKS = (
    one.task("a", "1", wanted=2, cluster="c/1"),
    one.task("b", "2", priority=1),
    one.task("c", "1", cycle=2, cluster="c/2"),
    one.task("d", "3", stratum="audit", cycle=2, cluster="c/1"),
    one.task("e", "4", stratum="reserve", cluster="c/2"),
    one.task("g", "2", stratum="gold", gold="neutral"),
    one.task("s", "5", skill="law", wanted=2, cluster="c/1"),
    one.task("z", "6", skill="law", language="zh", stratum="relabel", cycle=2),
)
FITTED = {1: {}, 2: {"skills": ("law",), "quota": 3}, 3: {"skills": ("art", "law"), "languages": ("zh",), "quota": 5}}


def spoken(act: tuple[object, ...], *, second: int) -> list[Annotation]:
    """One answer under the person's own id; or a new one, and one under an id that may be Ana's."""
    name, person, what, number = act
    now = one.later(second * 10)
    if name == "say":
        return [one.annotation(f"{person}-{what}-{number}", task=what, annotator=person, at=now)]
    reused = one.annotation(f"ana-{what}-{number}", task=what, annotator=person, at=now)
    return [one.annotation(f"{second}", task="e", annotator=person, at=now), reused]


def told(name: str, person: str, what: object, number: object) -> Entry:
    """What the ledger is told: a pause or its end, another number of people, labels."""
    match name:
        case "pause":
            return one.entry("", one.standing(person, state="paused" if what else "active"))
        case "raise":
            return one.entry("", raises=(Raise(task=TaskId(str(what)), wanted=int(str(number))),))
        case _:
            return one.entry("", one.label_batch(id=str(what), cycle=what))


def taken(desk: Desk, person: str, what: int, number: object, *, at: datetime) -> list[str]:
    """What this person is handed: of one kind, or as they are and wish."""
    if isinstance(number, str):
        return desk.take(one.claim(person, count=2, seconds=35.0, like=number, **FITTED[what]), at=at)
    return desk.claim(person, count=what, strata=GOLD if number else WORK, at=at, seconds=35)


def perform(desk: Desk, act: tuple[object, ...], *, second: int) -> object:
    """What the desk answers to one act; a refusal is an answer too."""
    name, person, what, number = act
    now = one.later(second * 10)
    try:
        match name:
            case "claim" | "choose":
                return taken(desk, str(person), int(str(what)), number, at=now)
            case "hold":
                return desk.hold(str(person), *sorted(what), at=now, seconds=15)  # type: ignore[call-overload]
            case "say" | "reuse":
                return desk.submit(*spoken(act, second=second))
            case "skip":
                return desk.queue.skip(one.skip(task=what, annotator=person), loop=one.LOOP)
            case "withdraw":
                return desk.withdraw(f"{person}-{what}-{number}", by=str(person), at=now)
            case _:
                entry = told(str(name), str(person), what, number)
                return desk.ledger.commit(structs.replace(entry, id=CommandId(f"{second}")))
    except LooplineError as error:
        return str(error)


def view(desk: Desk) -> object:
    """All that can be read."""
    cycles = [(desk.book.progress(one.LOOP, cycle=n), desk.book.answers(one.LOOP, cycle=n)) for n in (1, 2)]
    people = [desk.book.answered(one.LOOP, person) for person in ("ana", "bob", "eve")]
    given = [desk.book.given(one.LOOP, cycle=n) for n in (1, 2)]
    work = [desk.work.work(one.LOOP, annotator=person, newest=9) for person in ("ana", "bob", "eve")]
    return cycles, people, given, desk.book.gold_answers(one.LOOP), work, desk.work.people(one.LOOP)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ACT, max_size=25))
def test_the_sql_queue_and_the_one_in_memory_answer_alike(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[object, ...]]
) -> None:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('twin')}/state.db")
    memory = MemoryLedger()
    queue = MemoryTaskQueue(memory.state)
    twins = (sql_desk(engine), Desk(ledger=memory, queue=queue, book=queue, work=MemoryWorkLog(memory.state)))
    try:
        for desk in twins:
            desk.publish(*TASKS)
        for second, act in enumerate(acts):
            in_sql, in_memory = (perform(desk, act, second=second) for desk in twins)
            assert in_sql == in_memory
        in_sql, in_memory = map(view, twins)
        assert in_sql == in_memory
        for progress, answers in in_sql[0]:  # type: ignore[index]
            assert progress.annotations == len(answers.annotations)
    finally:
        engine.dispose()
