"""The outcome book in SQL: a report of thousands is one transaction of a few statements."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, Row, func, insert, select

from loopline.adapters.sql.codec import microseconds, moment
from loopline.adapters.sql.database import reading, writing
from loopline.adapters.sql.tables import OUTCOME
from loopline.ports.prediction_log import Appended
from loopline.records.ids import LoopName, PredictionId
from loopline.records.outcome import Outcome, check_same

ASKED: Final = 5_000
"""Ids in one question: below the smallest number of parameters that a database takes, SQLite's 32,766."""


class SqlOutcomes:
    """Keeps outcomes in the table of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, outcomes: Sequence[Outcome], *, loop: LoopName) -> Appended:
        """Store those not yet held, durably. Raises Conflict, and stores nothing, for an id that is another's."""
        if not outcomes:
            return Appended(0, 0)
        with writing(self._engine) as connection:
            held = _held(connection, (outcome.id for outcome in outcomes), loop=loop)
            end = connection.execute(select(func.max(OUTCOME.c.position)).where(OUTCOME.c.loop == loop)).scalar() or 0
            fresh: list[dict[str, object]] = []
            for outcome in outcomes:
                if outcome.id not in held:
                    fresh.append(_row(outcome, loop=loop, position=end + len(fresh) + 1))
                check_same(outcome, held=held.setdefault(outcome.id, outcome))
            if fresh:
                connection.execute(insert(OUTCOME), fresh)
        return Appended(len(fresh), len(outcomes) - len(fresh))

    def of(self, predictions: Sequence[PredictionId], *, loop: LoopName) -> tuple[Outcome, ...]:
        """The outcomes of these predictions, in order of arrival."""
        found: list[Row[tuple[object, ...]]] = []
        with reading(self._engine) as connection:
            for asked in _questions(predictions):
                where = (OUTCOME.c.loop == loop) & OUTCOME.c.prediction.in_(asked)
                found += connection.execute(select(OUTCOME).where(where)).all()
        found.sort(key=lambda row: row.position)
        return tuple(_outcome(row) for row in found)

    def after(self, position: int, *, loop: LoopName, most: int) -> tuple[tuple[int, Outcome], ...]:
        """At most so many outcomes after this position, in order of arrival."""
        where = (OUTCOME.c.loop == loop) & (OUTCOME.c.position > position)
        found = select(OUTCOME).where(where).order_by(OUTCOME.c.position).limit(max(most, 0))
        with reading(self._engine) as connection:
            return tuple((row.position, _outcome(row)) for row in connection.execute(found))


def _held(connection: Connection, ids: Iterable[str], *, loop: LoopName) -> dict[str, Outcome]:
    held: dict[str, Outcome] = {}
    for asked in _questions(ids):
        where = (OUTCOME.c.loop == loop) & OUTCOME.c.id.in_(asked)
        held.update((row.id, _outcome(row)) for row in connection.execute(select(OUTCOME).where(where)))
    return held


def _questions(ids: Iterable[str]) -> Iterator[list[str]]:
    asked = sorted(set(ids))
    return (asked[first : first + ASKED] for first in range(0, len(asked), ASKED))


def _row(outcome: Outcome, *, loop: LoopName, position: int) -> dict[str, object]:
    return {
        "loop": loop,
        "id": outcome.id,
        "position": position,
        "prediction": outcome.prediction,
        "label": outcome.label,
        "at_us": microseconds(outcome.at),
        "source": outcome.source,
    }


def _outcome(row: Row[tuple[object, ...]]) -> Outcome:
    return Outcome(
        id=row.id,
        prediction=PredictionId(row.prediction),
        label=row.label,
        at=moment(row.at_us),
        source=row.source,
    )
