"""The audit log in SQL; the database itself refuses to change or to take away a line."""

from collections.abc import Sequence

from sqlalchemy import Engine, insert, select

from loopline.adapters.sql.codec import microseconds, moment
from loopline.adapters.sql.database import reading, writing
from loopline.adapters.sql.tables import AUDIT
from loopline.records.ids import LoopName
from loopline.records.people import Act

TEXTS = ("id", "loop", "actor", "act", "subject", "outcome", "address")


class SqlAuditLog:
    """Keeps acts in the table ``audit`` of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write(self, acts: Sequence[Act]) -> None:
        """Append these acts, all or none. An id that is stored already changes nothing."""
        if not acts:
            return
        given = {act.id: act for act in reversed(acts)}
        with writing(self._engine) as connection:
            known = set(connection.execute(select(AUDIT.c.id).where(AUDIT.c.id.in_(given))).scalars())
            fresh = [act for name, act in given.items() if name not in known]
            if fresh:
                connection.execute(insert(AUDIT), list(map(_row, fresh)))

    def read(self, loop: LoopName, *, newest: int, actor: str = "", before: str = "") -> tuple[Act, ...]:
        """The latest ``newest`` acts, newest first (by id); of this actor alone; those before the act of this id."""
        asked = select(AUDIT).where(AUDIT.c.loop == loop).order_by(AUDIT.c.id.desc()).limit(newest)
        if actor:
            asked = asked.where(AUDIT.c.actor == actor)
        if before:
            asked = asked.where(AUDIT.c.id < before)
        with reading(self._engine) as connection:
            rows = connection.execute(asked).all()
        return tuple(Act(at=moment(row.at_us), **{name: getattr(row, name) for name in TEXTS}) for row in rows)


def _row(act: Act) -> dict[str, object]:
    return {"at_us": microseconds(act.at)} | {name: getattr(act, name) for name in TEXTS}
