"""Whose answers stand, and which batches are over: read from the records, so that a pause rewrites no answer."""

from sqlalchemy import ColumnElement, Connection, case, func, literal, or_, select

from loopline.adapters.sql.tables import ANNOTATION, LEASE, RECORD, TASK
from loopline.records.ids import LoopName


def paused(connection: Connection, loop: LoopName) -> list[str]:
    """The annotators whose standing is ``paused``."""
    found = select(RECORD.c.key).where(RECORD.c.loop == loop, RECORD.c.kind == "standing", RECORD.c.state == "paused")
    return list(connection.execute(found).scalars())


def finished(connection: Connection, loop: LoopName) -> list[int]:
    """The cycles whose batch is over: it has labels, or the cycle is closed."""
    labelled, closed = RECORD.c.kind == "labels", (RECORD.c.kind == "cycle") & (RECORD.c.state == "closed")
    found = select(RECORD.c.cycle).where(RECORD.c.loop == loop, or_(labelled, closed)).distinct()
    return list(connection.execute(found).scalars())


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


def held_by_others(annotator: str, *, paused_annotators: list[str], now_us: int) -> ColumnElement[int]:
    """How many live leases others have on the task at hand; what a paused person holds is not awaited."""
    others = [*paused_annotators, annotator]
    held = select(func.count()).where(
        LEASE.c.task == TASK.c.id, LEASE.c.until_us > now_us, LEASE.c.annotator.not_in(others)
    )
    return held.scalar_subquery()
