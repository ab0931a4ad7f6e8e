"""The task queue in SQL: every method is one transaction that no other writer overlaps."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, delete, insert, or_, select, update

from loopline.adapters.sql.codec import microseconds
from loopline.adapters.sql.database import insert_new, writing
from loopline.adapters.sql.publishing import task_of
from loopline.adapters.sql.standing import (
    finished,
    held_by_others,
    is_labelled,
    paused,
    standing_answers,
)
from loopline.adapters.sql.tables import ANNOTATION, LEASE, SKIP, TASK
from loopline.errors import Conflict, NotFound
from loopline.records.ids import LoopName
from loopline.records.task import Annotation, Skip, Stratum, Task

UNASKED_SECONDS = 300.0
"""The lease after an undone answer to a task that its author never claimed."""


class SqlTaskQueue:
    """Hands out the tasks in the tables of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(
        self, loop: LoopName, annotator: str, *, count: int, strata: frozenset[Stratum], now: datetime, seconds: float
    ) -> tuple[Task, ...]:
        """Lease up to ``count`` open tasks of these strata to the annotator until ``now + seconds``."""
        now_us = microseconds(now)
        with writing(self._engine) as connection:
            out = paused(connection, loop)
            if annotator in out or count <= 0:
                return ()
            offered = _offered(loop, strata=strata, over=finished(connection, loop))
            rows = _held(connection, offered, annotator=annotator, loop=loop, now_us=now_us)[:count]
            wanting = offered.where(*_wants_more(annotator, out=out, now_us=now_us))
            fresh = wanting.where(*_unseen(annotator, loop=loop, now_us=now_us))
            rows += _one_a_content(connection, fresh, count=count - len(rows))
            until_us = now_us + round(seconds * 1e6)
            _lease(connection, rows, annotator=annotator, until_us=until_us, seconds=seconds)
        return tuple(map(task_of, rows))

    def submit(self, annotations: Sequence[Annotation], *, loop: LoopName) -> int:
        """Store answers and return how many were new. Raises NotFound, Conflict, and stores none of them then."""
        with writing(self._engine) as connection:
            tasks = _tasks(connection, sorted({one.task for one in annotations}), loop=loop)
            return sum(_answer(connection, one, task=tasks[one.task]) for one in annotations)

    def skip(self, skip: Skip, *, loop: LoopName) -> None:
        """Give the task back with a reason; this annotator is not asked about it again."""
        with writing(self._engine) as connection:
            task = _tasks(connection, [skip.task], loop=loop)[skip.task]
            row = {"task": skip.task, "annotator": skip.annotator, "reason": skip.reason}
            if insert_new(connection, SKIP, row | {"at_us": microseconds(skip.at)}):
                _end_lease(connection, task, annotator=skip.annotator)

    def withdraw(self, annotation: str, *, loop: LoopName, annotator: str, now: datetime) -> Task:
        """Undo an own answer and lease its task to its author again, for as long as the lease before.

        A second time it changes nothing. Raises NotFound for an unknown answer, Conflict for someone else's or one
        whose batch is already labelled.
        """
        with writing(self._engine) as connection:
            own = (ANNOTATION.c.loop == loop) & (ANNOTATION.c.id == annotation)
            answer = connection.execute(select(ANNOTATION).where(own)).mappings().one_or_none()
            if answer is None:
                raise NotFound("answer", annotation)
            if answer["annotator"] != annotator:
                raise Conflict(f"answer {annotation}", found="another annotator's", expected=f"one by {annotator}")
            task = _tasks(connection, [answer["task"]], loop=loop)[answer["task"]]
            if answer["withdrawn_us"] is not None:
                return task_of(task)
            if is_labelled(connection, loop, cycle=answer["cycle"]):
                found, expected = f"the batch of cycle {answer['cycle']} is labelled", "an open batch"
                raise Conflict(f"answer {annotation}", found=found, expected=expected)
            connection.execute(update(ANNOTATION).where(own).values(withdrawn_us=microseconds(now)))
            fewer = update(TASK).where(TASK.c.id == task["id"]).values(answers=TASK.c.answers - 1)
            connection.execute(fewer)
            before = select(LEASE.c.seconds).where(LEASE.c.task == task["id"], LEASE.c.annotator == annotator)
            seconds = connection.execute(before).scalar() or UNASKED_SECONDS
            until_us = microseconds(now) + round(seconds * 1e6)
            _lease(connection, [task], annotator=annotator, until_us=until_us, seconds=seconds)
        return task_of(task)


def _offered(loop: LoopName, *, strata: frozenset[Stratum], over: list[int]) -> Select[tuple[object, ...]]:
    """Tasks of these strata whose batch is not over, in the order in which they are served; gold outlasts its batch."""
    offered = select(TASK).where(TASK.c.loop == loop, TASK.c.stratum.in_(sorted(strata)))
    if over:
        offered = offered.where(or_(TASK.c.stratum == "gold", TASK.c.cycle.not_in(over)))
    return offered.order_by(TASK.c.priority.desc(), TASK.c.id)


def _one_a_content(connection: Connection, fresh: Select[tuple[object, ...]], *, count: int) -> list[RowMapping]:
    """The first ``count`` tasks with different contents."""
    chosen: dict[str, RowMapping] = {}
    while (missing := count - len(chosen)) > 0:
        rows = connection.execute(fresh.where(TASK.c.content.not_in(chosen)).limit(missing)).mappings().all()
        for row in rows:
            chosen.setdefault(row["content"], row)
        if len(rows) < missing:
            break
    return list(chosen.values())


def _held(
    connection: Connection, offered: Select[tuple[object, ...]], *, annotator: str, loop: LoopName, now_us: int
) -> list[RowMapping]:
    own = LEASE.c.loop == loop, LEASE.c.annotator == annotator, LEASE.c.until_us > now_us
    held = connection.execute(select(LEASE.c.task).where(*own)).scalars().all()
    return list(connection.execute(offered.where(TASK.c.id.in_(held))).mappings()) if held else []


def _wants_more(annotator: str, *, out: list[str], now_us: int) -> list[ColumnElement[bool]]:
    """Fewer standing answers plus live leases of others than wanted; gold is always open."""
    is_gold = TASK.c.stratum == "gold"
    filled = standing_answers(out) + held_by_others(annotator, paused_annotators=out, now_us=now_us)
    conditions: list[ColumnElement[bool]] = [or_(is_gold, filled < TASK.c.wanted)]
    if not out:  # implied by the other; said first, because it needs no look beyond the index
        conditions.insert(0, or_(is_gold, TASK.c.answers < TASK.c.wanted))
    return conditions


def _unseen(annotator: str, *, loop: LoopName, now_us: int) -> list[ColumnElement[bool]]:
    """Not answered, not skipped, not asked about under another task with the same content, not held now."""
    by = LEASE.c.loop == loop, LEASE.c.annotator == annotator, LEASE.c.content == TASK.c.content
    asked = select(LEASE.c.task).where(*by, or_(LEASE.c.task != TASK.c.id, LEASE.c.until_us > now_us))
    stands = ANNOTATION.c.annotator == annotator, ANNOTATION.c.withdrawn_us.is_(None)
    answered = select(ANNOTATION.c.task).where(ANNOTATION.c.task == TASK.c.id, *stands)
    skipped = select(SKIP.c.task).where(SKIP.c.task == TASK.c.id, SKIP.c.annotator == annotator)
    return [~answered.exists(), ~skipped.exists(), ~asked.exists()]


def _tasks(connection: Connection, ids: Sequence[str], *, loop: LoopName) -> dict[str, RowMapping]:
    found = select(TASK).where(TASK.c.loop == loop, TASK.c.id.in_(ids))
    tasks = {row["id"]: row for row in connection.execute(found).mappings()}
    for missing in (name for name in ids if name not in tasks):
        raise NotFound("task", missing)
    return tasks


def _answer(connection: Connection, annotation: Annotation, *, task: RowMapping) -> bool:
    row = {
        "loop": task["loop"],
        "id": annotation.id,
        "task": annotation.task,
        "cycle": task["cycle"],
        "stratum": task["stratum"],
        "annotator": annotation.annotator,
        "label": annotation.label,
        "at_us": microseconds(annotation.at),
        "seconds": annotation.seconds,
    }
    if not insert_new(connection, ANNOTATION, row):
        _check_repeat(connection, annotation, loop=task["loop"])
        return False
    connection.execute(update(TASK).where(TASK.c.id == annotation.task).values(answers=TASK.c.answers + 1))
    _end_lease(connection, task, annotator=annotation.annotator)
    return True


def _check_repeat(connection: Connection, annotation: Annotation, *, loop: str) -> None:
    """Raise Conflict unless the id is new, or stands for this very answer."""
    own = (ANNOTATION.c.loop == loop) & (ANNOTATION.c.id == annotation.id)
    known = connection.execute(select(ANNOTATION).where(own)).mappings().one_or_none()
    if known is None:  # the person's answer to this task stands under another id
        return
    told = known["task"], known["annotator"], known["label"]
    is_undone = known["withdrawn_us"] is not None
    if is_undone or told != (annotation.task, annotation.annotator, annotation.label):
        kind = "undone answer" if is_undone else "answer"
        found = f"the id stands for the {kind} of {known['annotator']} to task {known['task']}"
        raise Conflict(f"answer {annotation.id}", found=found, expected="a new id")


def _lease(
    connection: Connection, rows: Sequence[RowMapping], *, annotator: str, until_us: int, seconds: float
) -> None:
    if not rows:
        return
    own = LEASE.c.annotator == annotator, LEASE.c.task.in_([row["id"] for row in rows])
    connection.execute(delete(LEASE).where(*own))
    terms = {"annotator": annotator, "until_us": until_us, "seconds": seconds}
    leases = [terms | {"task": row["id"], "loop": row["loop"], "content": row["content"]} for row in rows]
    connection.execute(insert(LEASE), leases)


def _end_lease(connection: Connection, task: RowMapping, *, annotator: str) -> None:
    """Nothing is held any more, and the person counts as asked, even when they answered without a claim."""
    own = LEASE.c.annotator == annotator, LEASE.c.task == task["id"]
    if connection.execute(update(LEASE).where(*own).values(until_us=0)).rowcount == 0:
        _lease(connection, [task], annotator=annotator, until_us=0, seconds=UNASKED_SECONDS)
