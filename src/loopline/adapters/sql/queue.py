"""The task queue in SQL: every method is one transaction, or its own part of one, that no other writer overlaps."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, RowMapping, Text, bindparam, select, text, update

from loopline.adapters.sql.codec import microseconds
from loopline.adapters.sql.database import insert_new
from loopline.adapters.sql.offering import Asker, cluster_of, fresh, held, in_order, lapsed
from loopline.adapters.sql.publishing import task_of
from loopline.adapters.sql.standing import is_labelled, paused
from loopline.adapters.sql.tables import ANNOTATION, LEASE, SKIP
from loopline.adapters.sql.turns import Turns
from loopline.errors import Conflict, NotFound
from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Annotation, Claim, Skip, Task

UNASKED_SECONDS = 300.0
"""The lease after an undone answer to a task that its author never claimed."""
DAY_US = 86_400_000_000
LEASED = text("""INSERT INTO lease (task, annotator, loop, content, until_us, seconds)
VALUES (:task, :annotator, :loop, :content, :until_us, :seconds)
ON CONFLICT (task, annotator) DO UPDATE SET until_us = excluded.until_us, seconds = excluded.seconds""")
ENDED = text("""INSERT INTO lease (task, annotator, loop, content, until_us, seconds)
VALUES (:task, :annotator, :loop, :content, 0, :seconds) ON CONFLICT (task, annotator) DO UPDATE SET until_us = 0""")
RETURNED = text("UPDATE lease SET until_us = 0 WHERE task = :task AND annotator = :annotator")
GIVEN = text("""SELECT count(*) FROM annotation WHERE loop = :loop AND annotator = :annotator
AND at_us >= :since_us AND at_us < :until_us AND withdrawn_us IS NULL""")
SAID = text("""INSERT INTO annotation
(loop, id, task, cycle, stratum, annotator, label, at_us, seconds, comment, flagged, bulk)
VALUES (:loop, :id, :task, :cycle, :stratum, :annotator, :label, :at_us, :seconds, :comment, :flagged, :bulk)
ON CONFLICT DO NOTHING RETURNING id""")
MORE = text("UPDATE task SET answers = answers + :more WHERE id = :task")
FULL = text("""UPDATE task SET full_us = (SELECT CASE WHEN answers + count(*) >= wanted
THEN coalesce(min(lease.until_us), 0) ELSE 0 END FROM lease WHERE lease.task = task.id AND lease.until_us > :now_us)
WHERE id = :task AND stratum <> 'gold'""")
NOT_FULL = text("UPDATE task SET full_us = 0 WHERE id = :task AND full_us > 0")
ASKED = text("SELECT id, loop, cycle, stratum, content, wanted, body FROM task WHERE loop = :loop AND id IN :ids")
ASKED = ASKED.bindparams(bindparam("ids", expanding=True, type_=Text))


class SqlTaskQueue:
    """Hands out the tasks in the tables of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._turns = Turns(engine)

    def claim(self, claim: Claim, *, loop: LoopName, now: datetime) -> tuple[Task, ...]:
        """Lease up to ``claim.count`` open tasks of its strata to its annotator until ``now + claim.seconds``."""
        now_us = microseconds(now)

        def lease(connection: Connection) -> list[RowMapping]:
            out = paused(connection, loop)
            if claim.annotator in out:
                return []
            asker = Asker(loop, claim.annotator, now_us, out)
            wished = claim.within or cluster_of(connection, claim.like, loop=loop)
            leased = held(connection, asker)
            most, more = _left(connection, claim, asker=asker, leased=len(leased))
            offered = [row for row in leased if row["stratum"] in claim.strata and not row["closed"]]
            offered = [row for row in offered if claim.within in ("", row["cluster_name"])]
            rows = in_order(offered, wished=wished)[:most]
            rows += fresh(connection, claim, asker=asker, wished=wished, count=min(most - len(rows), more))
            _lease(connection, rows, annotator=claim.annotator, now_us=now_us, seconds=claim.seconds)
            return rows

        return tuple(map(task_of, self._turns.run(lease))) if claim.count > 0 else ()

    def hold(self, tasks: frozenset[TaskId], *, loop: LoopName, annotator: str, now: datetime, seconds: float) -> int:
        """Renew the annotator's live leases of these tasks until ``now + seconds``, give all their others back.

        How many are held now.
        """
        now_us = microseconds(now)

        def renew(connection: Connection) -> int:
            asker = Asker(loop, annotator, now_us, paused(connection, loop))
            leased = {row["id"]: row for row in held(connection, asker)}
            kept = [row for name, row in leased.items() if name in tasks and not row["closed"]]
            lost = _asked(connection, tasks - leased.keys(), loop=loop, annotator=annotator)
            kept += lapsed(connection, lost, asker=asker) if lost else []
            if annotator in asker.out:
                kept = []
            _give_back(connection, leased.keys() - {row["id"] for row in kept}, annotator=annotator)
            _lease(connection, kept, annotator=annotator, now_us=now_us, seconds=seconds)
            return len(kept)

        return self._turns.run(renew)

    def submit(self, annotations: Sequence[Annotation], *, loop: LoopName) -> int:
        """Store answers and return how many were new. Raises NotFound, Conflict, and stores none of them then."""

        def store(connection: Connection) -> int:
            tasks = _tasks(connection, sorted({one.task for one in annotations}), loop=loop)
            return sum(_answer(connection, one, task=tasks[one.task]) for one in annotations)

        return self._turns.run(store)

    def skip(self, skip: Skip, *, loop: LoopName) -> None:
        """Give the task back with a reason; this annotator is not asked about it again."""
        row = {"task": skip.task, "annotator": skip.annotator, "reason": skip.reason, "at_us": microseconds(skip.at)}

        def pass_on(connection: Connection) -> None:
            task = _tasks(connection, [skip.task], loop=loop)[skip.task]
            if insert_new(connection, SKIP, row):
                _end_lease(connection, task, annotator=skip.annotator)
                connection.execute(NOT_FULL, {"task": skip.task})

        self._turns.run(pass_on)

    def withdraw(self, annotation: str, *, loop: LoopName, annotator: str, now: datetime) -> Task:
        """Undo an own answer and lease its task to its author again, for as long as the lease before.

        A second time it changes nothing. Raises NotFound for an unknown answer, Conflict for someone else's or one
        whose batch is already labelled.
        """
        now_us = microseconds(now)

        def undo(connection: Connection) -> RowMapping:
            answer = _own_answer(connection, annotation, loop=loop, annotator=annotator)
            task = _tasks(connection, [answer["task"]], loop=loop)[answer["task"]]
            if answer["withdrawn_us"] is None:
                _check_open(connection, annotation, loop=loop, cycle=answer["cycle"])
                own = ANNOTATION.c.loop == loop, ANNOTATION.c.id == annotation
                connection.execute(update(ANNOTATION).where(*own).values(withdrawn_us=now_us))
                connection.execute(MORE, {"task": task["id"], "more": -1})
                before = select(LEASE.c.seconds).where(LEASE.c.task == task["id"], LEASE.c.annotator == annotator)
                seconds = connection.execute(before).scalar() or UNASKED_SECONDS
                _lease(connection, [task], annotator=annotator, now_us=now_us, seconds=seconds)
            return task

        return task_of(self._turns.run(undo))


def _left(connection: Connection, claim: Claim, *, asker: Asker, leased: int) -> tuple[int, int]:
    """How many tasks may be handed out, and how many that are not held already."""
    if not claim.quota:
        return claim.count, claim.count
    day_us = asker.now_us - asker.now_us % DAY_US
    terms = {"loop": asker.loop, "annotator": asker.annotator, "since_us": day_us, "until_us": day_us + DAY_US}
    left = max(0, claim.quota - int(connection.execute(GIVEN, terms).scalar_one()))
    return min(claim.count, left), max(0, left - leased)


def _tasks(connection: Connection, ids: Sequence[str], *, loop: LoopName) -> dict[str, RowMapping]:
    """The tasks by id. Raises NotFound for the first that is not there."""
    tasks = {row["id"]: row for row in connection.execute(ASKED, {"loop": loop, "ids": ids}).mappings()}
    for missing in (name for name in ids if name not in tasks):
        raise NotFound("task", missing)
    return tasks


def _own_answer(connection: Connection, annotation: str, *, loop: LoopName, annotator: str) -> RowMapping:
    """The answer. Raises NotFound for an unknown one, Conflict for someone else's."""
    found = select(ANNOTATION).where(ANNOTATION.c.loop == loop, ANNOTATION.c.id == annotation)
    answer = connection.execute(found).mappings().one_or_none()
    if answer is None:
        raise NotFound("answer", annotation)
    if answer["annotator"] != annotator:
        raise Conflict(f"answer {annotation}", found="another annotator's", expected=f"one by {annotator}")
    return answer


def _check_open(connection: Connection, annotation: str, *, loop: LoopName, cycle: int) -> None:
    """Raise Conflict when the batch of this cycle is labelled."""
    if is_labelled(connection, loop, cycle=cycle):
        found, expected = f"the batch of cycle {cycle} is labelled", "an open batch"
        raise Conflict(f"answer {annotation}", found=found, expected=expected)


def _answer(connection: Connection, annotation: Annotation, *, task: RowMapping) -> bool:
    """Whether the answer is a new one; it is stored then."""
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
        "comment": annotation.comment,
        "flagged": annotation.is_flagged,
        "bulk": annotation.is_bulk,
    }
    if connection.execute(SAID, row).first() is None:
        _check_repeat(connection, annotation, loop=task["loop"])
        return False
    connection.execute(MORE, {"task": annotation.task, "more": 1})
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
        whose = f"the {kind} of {known['annotator']} to task {known['task']}"
        if known["annotator"] != annotation.annotator:  # ids can be guessed, and tell nobody what others did
            whose = "another person's answer"
        raise Conflict(f"answer {annotation.id}", found=f"the id stands for {whose}", expected="a new id")


def _lease(connection: Connection, rows: Sequence[RowMapping], *, annotator: str, now_us: int, seconds: float) -> None:
    """Let the annotator have these tasks for so long."""
    terms = {"annotator": annotator, "until_us": now_us + round(seconds * 1e6), "seconds": seconds}
    if rows:
        named = [terms | {"task": row["id"], "loop": row["loop"], "content": row["content"]} for row in rows]
        connection.execute(LEASED, named)
        connection.execute(FULL, [{"task": row["id"], "now_us": now_us} for row in rows])


def _end_lease(connection: Connection, task: RowMapping, *, annotator: str) -> None:
    """Nothing is held any more, and the person counts as asked, even when they answered without a claim."""
    terms = {"annotator": annotator, "seconds": UNASKED_SECONDS}
    connection.execute(ENDED, terms | {"task": task["id"], "loop": task["loop"], "content": task["content"]})


def _give_back(connection: Connection, tasks: Iterable[str], *, annotator: str) -> None:
    own = [{"task": name, "annotator": annotator} for name in sorted(tasks)]
    if own:
        connection.execute(RETURNED, own)
        connection.execute(NOT_FULL, own)


def _asked(connection: Connection, tasks: Iterable[str], *, loop: LoopName, annotator: str) -> list[str]:
    """Those of the tasks that this annotator was ever given."""
    own = LEASE.c.loop == loop, LEASE.c.annotator == annotator, LEASE.c.task.in_(sorted(tasks))
    return list(connection.execute(select(LEASE.c.task).where(*own)).scalars())
