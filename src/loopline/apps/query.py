"""Questions to one loop's log: its parts, what was reported about them, and the engine that answers, put together."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from loopline.adapters.duckdb.query import Answer, Limits, run
from loopline.adapters.duckdb.views import OUTCOME_SCHEMA, OUTCOMES, Source
from loopline.errors import InvalidRecord, Unavailable
from loopline.ports.columns import PoolRows
from loopline.ports.offsets import Offsets
from loopline.ports.outcome_book import OutcomeBook
from loopline.ports.prediction_log import Pool, ScoreLog
from loopline.records.outcome import Outcome
from loopline.records.segment import Tier
from loopline.records.settings import Settings
from loopline.records.signature import Signature

ROWS = 1_000
"""Of an answer, unless more are asked for."""
MOST_ROWS = 1_000_000
SECONDS, MOST_SECONDS = 10.0, 300.0
TIERS: tuple[Tier, ...] = ("hot", "archive")
HOT: tuple[Tier, ...] = ("hot",)
TAIL_ROWS = 1_000
"""Positions that one look at the end of the log goes through."""
OUTCOMES_AT_ONCE = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Stretch(Protocol):
    """What the log consists of now."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Sealed Parquet on the local disk."""
        ...

    @property
    def tail(self) -> pa.Table:
        """Rows that are not sealed yet, in the same columns."""
        ...

    @property
    def firsts(self) -> tuple[int, ...]:
        """Of each file, the position of offset 0."""
        ...


class Parted(Protocol):
    """A log that shows what it consists of."""

    def parts(self, *, tiers: tuple[Tier, ...] = TIERS) -> Stretch:
        """The files of these tiers, and the tail."""
        ...


class Queried(Protocol):
    """The rooms that a query looks into."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def log(self) -> Parted:
        """Every prediction."""
        ...

    @property
    def outcomes(self) -> OutcomeBook:
        """What the world reported."""
        ...


class Following(ScoreLog, Pool, Protocol):
    """A log that can be read to its end."""

    def end(self) -> int:
        """The position of the last row; 0 when empty."""
        ...


class Followed(Protocol):
    """The rooms that a reader of new predictions looks into."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def log(self) -> Following:
        """Every prediction."""
        ...

    @property
    def offsets(self) -> Offsets:
        """How far each reader has come."""
        ...


class News(NamedTuple):
    """What a reader has not seen, and where that ends."""

    until: int
    """Everything up to this position was looked at."""
    end: int
    """The log's last position."""
    rows: list[dict[str, Any]]


def ask(
    house: Queried, sql: str, *, rows: int = ROWS, seconds: float = SECONDS, tiers: tuple[Tier, ...] = TIERS
) -> Answer:
    """The answer of this loop's log to one SELECT. Raises InvalidRecord in words; Unavailable when parts went away."""
    limits = Limits(
        rows=int(_within("limit", rows, most=MOST_ROWS)), seconds=_within("seconds", seconds, most=MOST_SECONDS)
    )
    try:
        return _asked(house, sql, limits=limits, tiers=tiers)
    except Unavailable:  # a file was repacked between the look and the reading: the next look sees what took its place
        return _asked(house, sql, limits=limits, tiers=tiers)


def _asked(house: Queried, sql: str, *, limits: Limits, tiers: tuple[Tier, ...]) -> Answer:
    parts = house.log.parts(tiers=tiers)
    reported = _reported(house) if OUTCOMES in sql.lower() else OUTCOME_SCHEMA.empty_table()
    firsts = parts.firsts if parts.files else ()
    return run(sql, Source(parts.files, parts.tail, firsts, reported), limits=limits, loop=house.settings.name)


def _within(thing: str, number: float, *, most: float) -> float:
    if not 0 < number <= most:
        raise InvalidRecord(thing, found=f"{number:g}", expected=f"more than 0 and at most {most:,.0f}")
    return number


def _reported(house: Queried) -> pa.Table:
    found: list[tuple[int, Outcome]] = []
    while batch := house.outcomes.after(found[-1][0] if found else 0, loop=house.settings.name, most=OUTCOMES_AT_ONCE):
        found += batch
    columns = {
        "position": [position for position, _ in found],
        "at_us": [(outcome.at - EPOCH) // timedelta(microseconds=1) for _, outcome in found],
        **{name: [getattr(outcome, name) for _, outcome in found] for name in ("id", "prediction", "label", "source")},
    }
    return pa.table(columns, schema=OUTCOME_SCHEMA)


def news(house: Followed, *, after: int, most: int = TAIL_ROWS) -> News:
    """Answers of live versions after this position, oldest first; no row of the reserve is among them."""
    end = house.log.end()
    until = min(end, after + most)
    pool, scores = house.log.rows(after=after, until=until), house.log.scores(after=after, until=until)
    place = {position: row for row, position in enumerate(scores.position.tolist())}
    rows = []
    for row, position in enumerate(pool.position.tolist()):
        score = place[position]
        rows.append({
            "position": position,
            "id": pool.id[row],
            "time": (EPOCH + timedelta(microseconds=int(scores.at_us[score]))).isoformat().replace("+00:00", "Z"),
            "model": pool.model[row],
            "arm": scores.arm[score],
            "label": pool.label[row],
            "probabilities": [round(float(p), 6) for p in pool.probabilities[row]],
            "margin": round(float(pool.margin[row]), 6),
            "entropy": round(float(scores.entropy[score]), 6),
            "latency_us": int(scores.latency_us[score]),
            "input": _spelled(pool, row, signature=house.settings.signature),
        })  # fmt: skip
    return News(until, end, rows)


def _spelled(pool: PoolRows, row: int, *, signature: Signature) -> str | Sequence[float] | None:
    """The row as JSON has it; None for one whose bytes are kept elsewhere or were redacted."""
    try:
        return signature.spelled(signature.decode(pool.inputs[row]))
    except InvalidRecord:
        return None
