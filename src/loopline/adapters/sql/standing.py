"""Whose answers stand: read from the records, so that a pause rewrites no answer."""

from sqlalchemy import ColumnElement, Connection, case, func, literal, select, text

from loopline.adapters.sql.tables import ANNOTATION, RECORD, TASK
from loopline.records.ids import LoopName

PAUSED = text("SELECT key FROM record WHERE loop = :loop AND kind = 'standing' AND state = 'paused'")


def paused(connection: Connection, loop: LoopName) -> list[str]:
    """The annotators whose standing is ``paused``."""
    return list(connection.execute(PAUSED, {"loop": loop}).scalars())


def is_labelled(connection: Connection, loop: LoopName, *, cycle: int) -> bool:
    """Whether labels were derived from the cycle's batch."""
    found = select(RECORD.c.key).where(RECORD.c.loop == loop, RECORD.c.kind == "labels", RECORD.c.cycle == cycle)
    return connection.execute(found.limit(1)).first() is not None


def standing_answers(paused_annotators: list[str]) -> ColumnElement[int]:
    """How many answers of the task at hand stand: not those of paused annotators, but to gold everyone's."""
    if not paused_annotators:
        return TASK.c.answers + literal(0)
    lost = select(func.count()).where(
        ANNOTATION.c.task == TASK.c.id,
        ANNOTATION.c.annotator.in_(paused_annotators),
        ANNOTATION.c.withdrawn_us.is_(None),
    )
    return TASK.c.answers - case((TASK.c.stratum == "gold", 0), else_=lost.scalar_subquery())
