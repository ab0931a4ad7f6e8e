"""What each person did, read from SQL."""

from datetime import datetime

from sqlalchemy import Engine, func, select, union

from loopline.adapters.sql.answers import annotation_of, skip_of
from loopline.adapters.sql.codec import microseconds, moment
from loopline.adapters.sql.database import reading
from loopline.adapters.sql.publishing import task_of
from loopline.adapters.sql.tables import ANNOTATION, LEASE, SKIP, TASK
from loopline.errors import NotFound
from loopline.ports.work_log import Asked, Work
from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Skip


class SqlWorkLog:
    """Reads people's work in the tables of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def work(self, loop: LoopName, *, annotator: str, newest: int) -> tuple[Work, ...]:
        """The latest ``newest`` answers of this person, undone ones too, newest first."""
        said = (
            select(ANNOTATION)
            .where(ANNOTATION.c.loop == loop, ANNOTATION.c.annotator == annotator)
            .order_by(ANNOTATION.c.at_us.desc(), ANNOTATION.c.id.desc())
            .limit(max(0, newest))
        )
        with reading(self._engine) as connection:
            answers = connection.execute(said).mappings().all()
            asked = select(TASK.c.id, TASK.c.wanted, TASK.c.body).where(TASK.c.id.in_([one["task"] for one in answers]))
            tasks = {row["id"]: task_of(row) for row in connection.execute(asked).mappings()}
        undone = [None if one["withdrawn_us"] is None else moment(one["withdrawn_us"]) for one in answers]
        return tuple(Work(tasks[a["task"]], annotation_of(a), at) for a, at in zip(answers, undone, strict=True))

    def passed(self, loop: LoopName, *, annotator: str, newest: int) -> tuple[Skip, ...]:
        """What this person passed on, newest first."""
        skips = (
            select(SKIP)
            .join(TASK, TASK.c.id == SKIP.c.task)
            .where(TASK.c.loop == loop, SKIP.c.annotator == annotator)
            .order_by(SKIP.c.at_us.desc(), SKIP.c.task.desc())
            .limit(max(0, newest))
        )
        with reading(self._engine) as connection:
            return tuple(map(skip_of, connection.execute(skips).mappings()))

    def people(self, loop: LoopName) -> tuple[str, ...]:
        """Everybody who has answered or passed, by name."""
        answered = select(ANNOTATION.c.annotator).where(ANNOTATION.c.loop == loop)
        skipped = select(SKIP.c.annotator).join(TASK, TASK.c.id == SKIP.c.task).where(TASK.c.loop == loop)
        with reading(self._engine) as connection:
            return tuple(sorted(connection.execute(union(answered, skipped)).scalars()))

    def given_since(self, loop: LoopName, *, annotator: str, since: datetime) -> int:
        """How many answers this person gave at ``since`` or later and did not take back."""
        own = ANNOTATION.c.loop == loop, ANNOTATION.c.annotator == annotator, ANNOTATION.c.withdrawn_us.is_(None)
        counted = select(func.count()).where(*own, ANNOTATION.c.at_us >= microseconds(since))
        with reading(self._engine) as connection:
            return int(connection.execute(counted).scalar_one())

    def asked(self, loop: LoopName, *, task: TaskId) -> Asked:
        """One task with everybody who was asked about it. Raises NotFound."""
        of_task = select(TASK.c.id, TASK.c.wanted, TASK.c.body).where(TASK.c.loop == loop, TASK.c.id == task)
        people = union(*(select(each.c.annotator).where(each.c.task == task) for each in (LEASE, SKIP, ANNOTATION)))
        with reading(self._engine) as connection:
            row = connection.execute(of_task).mappings().one_or_none()
            if row is None:
                raise NotFound("task", task)
            return Asked(task_of(row), frozenset(connection.execute(people).scalars()))
