"""Questions in SQL over HTTP, and the end of the log for readers that come back."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any, Protocol

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody

from loopline.adapters.duckdb.formats import MEDIA, Format, encoded
from loopline.adapters.duckdb.questions import QUESTIONS, SCHEMA
from loopline.apps.http.answers import between, strictly
from loopline.apps.http.describing import of_files
from loopline.apps.query import HOT, ROWS, SECONDS, TAIL_ROWS, TIERS, Followed, Following, Parted, Queried, ask, news
from loopline.errors import Busy, InvalidRecord

AT_ONCE = 2
"""Queries that run at the same time."""
WAIT_SECONDS = 2
"""After which another is worth a try."""
LONGEST_READER = 64
CUT = "loopline-cut"
"""Header: ``true`` when an answer is not all there was."""


class QueryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One SELECT over the views, and what it may take."""

    sql: str
    limit: int = ROWS
    seconds: float = SECONDS
    format: Format = "json"
    hot: bool = False
    """Whether the archive stays out of it."""


class ReadyQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question in words and in SQL."""

    name: str
    title: str
    sql: str


class ViewColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a view, and what it means."""

    name: str
    kind: str
    meaning: str


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """What can be asked."""

    questions: tuple[ReadyQuestion, ...]
    views: dict[str, tuple[ViewColumn, ...]]


class TailPage(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of live versions that a reader has not seen; none of them is sealed in the reserve."""

    until: int
    """Everything up to this position was looked at: what to note when the rows are dealt with."""
    end: int
    """The log's last position."""
    rows: list[dict[str, Any]]


class Dealt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a reader has come."""

    reader: str
    position: int


class ReadableLog(Parted, Following, Protocol):
    """A log as these routes read it."""


class Rooms(Queried, Followed, Protocol):
    """What these routes look into."""

    @property
    def log(self) -> ReadableLog:
        """Every prediction."""
        ...


def query_routes(house: Rooms) -> list[HTTPRouteHandler]:
    """The routes that ask the log."""
    return [*_asking_routes(house), *_tail_routes(house)]


def _asking_routes(house: Queried) -> list[HTTPRouteHandler]:
    places = BoundedSemaphore(AT_ONCE)

    @post(
        "/api/query",
        sync_to_thread=True,
        status_code=200,
        before_request=strictly(QueryRequest),
        operation_class=of_files(MEDIA.values()),
    )
    def query(data: JSONBody[QueryRequest]) -> Response[bytes]:
        """The answer to one SELECT, as JSON, CSV, Arrow or Parquet; the reserve is in no view."""
        with _place(places):
            tiers = HOT if data.hot else TIERS
            answer = ask(house, data.sql, rows=data.limit, seconds=data.seconds, tiers=tiers)
            body = encoded(answer, data.format)
        headers = {CUT: str(answer.is_cut).lower()}
        return Response(body, media_type=MEDIA[data.format], headers=headers)

    @get("/api/query/questions", sync_to_thread=False)
    def questions() -> Questions:
        """Ready questions, and the views with their columns."""
        views = {
            view: tuple(ViewColumn(name=one.name, kind=one.kind, meaning=one.meaning) for one in columns)
            for view, columns in SCHEMA.items()
        }
        ready = tuple(ReadyQuestion(name=one.name, title=one.title, sql=one.sql) for one in QUESTIONS)
        return Questions(questions=ready, views=views)

    return [query, questions]


@contextmanager
def _place(places: BoundedSemaphore) -> Iterator[None]:
    """Hold one of the places while the block runs. Raises Busy when none is free."""
    if not places.acquire(blocking=False):
        raise Busy("query", reason=f"{AT_ONCE} others run", seconds=WAIT_SECONDS, is_callers=True)
    try:
        yield
    finally:
        places.release()


def _tail_routes(house: Followed) -> list[HTTPRouteHandler]:
    loop = house.settings.name

    @get("/api/tail", sync_to_thread=True)
    def tail(reader: FromQuery[str] = "", after: FromQuery[int] = -1, most: FromQuery[int] = TAIL_ROWS) -> TailPage:
        """What comes after a position, else after a reader's offset, else what came last."""
        most = between("most", most, TAIL_ROWS)
        if after < 0 and not reader:
            found = news(house, after=max(0, house.log.end() - TAIL_ROWS))
            return TailPage(until=found.until, end=found.end, rows=found.rows[-most:])
        start = after if after >= 0 else house.offsets.read(_reader(reader), loop=loop)
        found = news(house, after=start, most=most)
        return TailPage(until=found.until, end=found.end, rows=found.rows)

    @post("/api/tail", sync_to_thread=True, status_code=200, before_request=strictly(Dealt))
    def dealt(data: JSONBody[Dealt]) -> dict[str, int]:
        """Note that a reader has dealt with everything up to this position; it never moves back."""
        position = between("position", data.position, max(1, house.log.end()))
        house.offsets.advance(_reader(data.reader), loop=loop, position=position)
        return {"position": house.offsets.read(_reader(data.reader), loop=loop)}

    return [tail, dealt]


def _reader(name: str) -> str:
    """The reader's name as it is kept, apart from the loop's own readers. Raises InvalidRecord."""
    if not 1 <= len(name) <= LONGEST_READER or not name.isprintable() or name != name.strip():
        found, expected = repr(name[:80]), f"1 to {LONGEST_READER} printable characters, no blank at either end"
        raise InvalidRecord("reader", found=found, expected=expected)
    return f"tail:{name}"
