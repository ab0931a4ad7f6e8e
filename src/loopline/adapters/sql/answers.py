"""What people said, read from SQL."""

from sqlalchemy import Engine, RowMapping, Select, case, func, or_, select, text

from loopline.adapters.sql.codec import moment
from loopline.adapters.sql.database import reading
from loopline.adapters.sql.publishing import task_from, task_of
from loopline.adapters.sql.standing import paused, standing_answers
from loopline.adapters.sql.tables import ANNOTATION, SKIP, TASK
from loopline.ports.task_queue import Answers
from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Annotation, Progress, Skip, Task

ANSWERED = text("""SELECT count(*), coalesce(sum(CASE WHEN stratum = 'gold' THEN 1 ELSE 0 END), 0) FROM annotation
WHERE loop = :loop AND annotator = :annotator AND withdrawn_us IS NULL""")


class SqlAnswerBook:
    """Reads the answers in the tables of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def progress(self, loop: LoopName, *, cycle: int) -> Progress:
        """How far the cycle's batch has come: one aggregate over its tasks."""
        with reading(self._engine) as connection:
            stands = standing_answers(paused(connection, loop)).label("stands")
            batch = select(TASK.c.stratum, TASK.c.wanted, stands).where(TASK.c.loop == loop, TASK.c.cycle == cycle)
            counted = batch.cte()
            done = func.sum(case((counted.c.stands >= counted.c.wanted, 1), else_=0))
            counts = select(counted.c.stratum, done, func.count(), func.sum(counted.c.stands))
            rows = connection.execute(counts.group_by(counted.c.stratum).order_by(counted.c.stratum)).all()
        awaited = {stratum: (int(done), int(tasks)) for stratum, done, tasks, _ in rows if stratum != "gold"}
        return Progress(
            tasks=sum(tasks for _, tasks in awaited.values()),
            done=sum(done for done, _ in awaited.values()),
            annotations=sum(int(answers) for *_, answers in rows),
            by_stratum=awaited,
        )

    def answers(self, loop: LoopName, *, cycle: int) -> Answers:
        """The cycle's tasks, standing answers and skips."""
        batch = select(TASK.c.body, TASK.c.wanted).where(TASK.c.loop == loop, TASK.c.cycle == cycle).order_by(TASK.c.id)
        with reading(self._engine) as connection:
            tasks = tuple(task_from(body, wanted) for body, wanted in connection.execute(batch))
            said = (
                select(ANNOTATION)
                .where(ANNOTATION.c.loop == loop, ANNOTATION.c.cycle == cycle, ANNOTATION.c.withdrawn_us.is_(None))
                .where(or_(ANNOTATION.c.stratum == "gold", ANNOTATION.c.annotator.not_in(paused(connection, loop))))
                .order_by(ANNOTATION.c.task, ANNOTATION.c.id)
            )
            annotations = connection.execute(said).mappings().all()
            skips = connection.execute(_passed(loop, cycle=cycle)).mappings().all()
        return Answers(
            tasks=tasks,
            annotations=tuple(map(annotation_of, annotations)),
            skips=tuple(map(skip_of, skips)),
        )

    def given(self, loop: LoopName, *, cycle: int) -> tuple[Annotation, ...]:
        """Every answer to the cycle's tasks: also what does not stand, or was undone."""
        batch = select(ANNOTATION).where(ANNOTATION.c.loop == loop, ANNOTATION.c.cycle == cycle)
        with reading(self._engine) as connection:
            said = connection.execute(batch.order_by(ANNOTATION.c.task, ANNOTATION.c.id)).mappings().all()
        return tuple(map(annotation_of, said))

    def gold_answers(self, loop: LoopName) -> tuple[tuple[Task, Annotation], ...]:
        """Every answer to a gold task that was not undone, by anyone, in order of time."""
        gold = select(TASK).where(TASK.c.loop == loop, TASK.c.stratum == "gold", TASK.c.answers > 0)
        said = (
            select(ANNOTATION)
            .where(ANNOTATION.c.loop == loop, ANNOTATION.c.stratum == "gold", ANNOTATION.c.withdrawn_us.is_(None))
            .order_by(ANNOTATION.c.at_us, ANNOTATION.c.id)
        )
        with reading(self._engine) as connection:
            tasks = {row["id"]: task_of(row) for row in connection.execute(gold).mappings()}
            return tuple((tasks[row["task"]], annotation_of(row)) for row in connection.execute(said).mappings())

    def answered(self, loop: LoopName, annotator: str) -> tuple[int, int]:
        """How many answers this annotator has given and not undone, and how many of them to gold."""
        with reading(self._engine) as connection:
            total, of_gold = connection.execute(ANSWERED, {"loop": loop, "annotator": annotator}).one()
        return int(total), int(of_gold)


def _passed(loop: LoopName, *, cycle: int) -> Select[tuple[object, ...]]:
    """The skips of the cycle's tasks, and of their contents under other tasks."""
    skipped, same = TASK.alias(), (SKIP.c.annotator, SKIP.c.at_us, SKIP.c.reason)
    return (
        select(TASK.c.id.label("task"), *same)
        .join(skipped, (skipped.c.loop == TASK.c.loop) & (skipped.c.content == TASK.c.content))
        .join(SKIP, SKIP.c.task == skipped.c.id)
        .where(TASK.c.loop == loop, TASK.c.cycle == cycle)
        .order_by(TASK.c.id, *same)
    )


def skip_of(row: RowMapping) -> Skip:
    """What the row says."""
    return Skip(task=TaskId(row["task"]), annotator=row["annotator"], reason=row["reason"], at=moment(row["at_us"]))


def annotation_of(row: RowMapping) -> Annotation:
    """The answer behind its row."""
    return Annotation(
        id=row["id"],
        task=TaskId(row["task"]),
        annotator=row["annotator"],
        label=row["label"],
        at=moment(row["at_us"]),
        seconds=row["seconds"],
        comment=row["comment"],
        is_flagged=row["flagged"],
        is_bulk=row["bulk"],
    )
