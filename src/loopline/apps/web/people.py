"""The people page, one person's page, and the forms by which a lead acts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, URLEncodedBody

from loopline.annotate.report import WINDOW
from loopline.apps.agreement import Agreements, AgreementTable, Pair
from loopline.apps.http.caller import about, caller_of
from loopline.apps.http.errors import status_of
from loopline.apps.http.views import House
from loopline.apps.supervision import LONGEST_REASON, Act, Supervision
from loopline.apps.track_record import Period, Share
from loopline.apps.web.chart import Line
from loopline.apps.web.render import page
from loopline.errors import LooplineError
from loopline.records.label import LabelBatch

Html = Response[Any]
AnyRequest = Request[Any, Any, Any]
MOST_IN_MATRIX = 16
WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 48, 18, 20, 30
MOST_PERIODS = 12
MOST_COLUMNS = 6
"""Dates below the drawing."""
STEP = 0.1
"""From one grid line to the next."""


class Mark(NamedTuple):
    """What one kind of evidence said in one period, in pixels."""

    part: str
    """``gold`` or ``peers``."""
    share: Share
    until: datetime
    x: float
    y: float
    top: float
    bottom: float


class Course(NamedTuple):
    """Everything the drawing needs."""

    marks: tuple[Mark, ...]
    paths: tuple[tuple[str, str], ...]
    """Part and the SVG path through its marks."""
    rows: tuple[Line, ...]
    columns: tuple[Line, ...]
    norm: float
    """Where the line of the norm lies, in pixels."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


class Reasoned(msgspec.Struct, frozen=True, kw_only=True):
    """What the forms on a person's page send."""

    name: str = ""
    reason: str = ""


def drawn(periods: Sequence[Period], *, norm: float) -> Course | None:
    """The course of one person's accuracy; None without a period. The axis ends at 100 %, below at whole tens."""
    latest = periods[-MOST_PERIODS:]
    shares = [share for one in latest for share in (one.gold, one.peers) if share]
    if not shares:
        return None
    low = max(0.0, int(min(norm, *(one.low for one in shares)) / STEP) * STEP)
    pace = (WIDTH - LEFT - RIGHT) / len(latest)

    def height(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (1.0 - low) * (HEIGHT - BOTTOM - TOP), 1)

    def marks_of(part: str, aside: float) -> list[Mark]:
        center = [LEFT + pace * (i + 0.5) for i in range(len(latest))]
        found = [
            (x, one.until, one.gold if part == "gold" else one.peers) for x, one in zip(center, latest, strict=True)
        ]
        return [
            Mark(part, share, until, round(x + aside, 1), height(share.value), height(share.high), height(share.low))
            for x, until, share in found
            if share
        ]

    aside = min(10.0, pace / 6)
    parts = {"gold": marks_of("gold", -aside), "peers": marks_of("peers", aside)}
    days = {one.until.date() for one in latest}
    spelling = "%d %b" if len(days) == len(latest) else "%d %b %H:%M"
    columns = [Line(round(LEFT + pace * (i + 0.5), 1), f"{one.until:{spelling}}") for i, one in enumerate(latest)]
    rows = tuple(Line(height(n * STEP), f"{100 * n * STEP:.0f}") for n in range(round(low / STEP), round(1 / STEP) + 1))
    return Course(
        marks=tuple(mark for marks in parts.values() for mark in marks),
        paths=tuple((part, _path(marks)) for part, marks in parts.items() if len(marks) > 1),
        rows=rows,
        columns=tuple(columns[:: -(-len(columns) // MOST_COLUMNS)]),
        norm=height(norm),
    )


def _path(marks: Sequence[Mark]) -> str:
    return " ".join(f"{'L' if i else 'M'}{mark.x} {mark.y}" for i, mark in enumerate(marks))


def matrix_of(table: AgreementTable) -> tuple[tuple[str, tuple[Pair | None, ...]], ...]:
    """One row a person, one place a column: those who met most samples with others, at most 16 of them, by name."""
    met: dict[str, int] = {}
    for pair in table.pairs:
        for name in (pair.one, pair.other):
            met[name] = met.get(name, 0) + pair.samples
    names = sorted(sorted(met, key=lambda name: (-met[name], name))[:MOST_IN_MATRIX])
    pairs = {frozenset((pair.one, pair.other)): pair for pair in table.pairs}
    return tuple((row, tuple(pairs.get(frozenset((row, column))) for column in names)) for row in names)


def people_pages(house: House, supervision: Supervision, agreements: Agreements) -> list[HTTPRouteHandler]:
    """The list of everybody with their agreement, and one page a person."""
    loop = house.settings.name

    @get("/people", sync_to_thread=True, include_in_schema=False)
    def people(cycle: FromQuery[int] = 0) -> Html:
        """Everybody."""
        table = agreements.table(cycle)
        matrix = matrix_of(table)
        return page(
            "people.html",
            here="people",
            loop_name=loop,
            people=supervision.everybody(),
            table=table,
            matrix=matrix,
            hidden=len(matrix) < len(table.people),
            cycles=sorted((one.cycle for one in house.ledger.all(LabelBatch, loop)), reverse=True),
            asked=cycle,
        )

    @get("/people/{name:path}", sync_to_thread=True, include_in_schema=False)
    def person(name: FromPath[str], done: FromQuery[str] = "") -> Html:
        """One of them; the path may hold slashes, as a name may."""
        return _page(loop, supervision, name.removeprefix("/"), done=DONE.get(done, ""))

    return [people, person, *_forms(loop, supervision)]


DONE = {
    "pause": "paused: no more tasks for them, and their open answers do not count",
    "resume": "active again: they get tasks",
    "recall": "requeued: others are asked about the samples once more",
    "nothing": "nothing changed: it was so already",
}
"""What a page says after an act, by the word in its address."""


def _forms(loop: str, supervision: Supervision) -> list[HTTPRouteHandler]:
    def acted(request: AnyRequest, act: Act, form: Reasoned) -> Html:
        about(request, form.name)
        by = caller_of(request).name
        try:
            found = supervision.act(act, form.name, by=by, reason=form.reason, dry_run=False)
        except LooplineError as error:
            return _page(loop, supervision, form.name, problem=str(error), status=status_of(error))
        said = act if found.is_done else "nothing"
        return Response(None, status_code=303, headers={"location": f"/people/{quote(form.name)}?done={said}"})

    @post("/people/pause", sync_to_thread=True, include_in_schema=False)
    def pause(request: AnyRequest, data: URLEncodedBody[Reasoned]) -> Html:
        """Pause somebody."""
        return acted(request, "pause", data)

    @post("/people/resume", sync_to_thread=True, include_in_schema=False)
    def resume(request: AnyRequest, data: URLEncodedBody[Reasoned]) -> Html:
        """Let somebody back in."""
        return acted(request, "resume", data)

    @post("/people/recall", sync_to_thread=True, include_in_schema=False)
    def recall(request: AnyRequest, data: URLEncodedBody[Reasoned]) -> Html:
        """Ask again about what rests on somebody."""
        return acted(request, "recall", data)

    return [pause, resume, recall]


def _page(
    loop: str, supervision: Supervision, name: str, *, done: str = "", problem: str = "", status: int = 200
) -> Html:
    found = supervision.person(name)
    return page(
        "person.html",
        status=status,
        here="people",
        loop_name=loop,
        it=found,
        course=drawn(found.periods, norm=found.norm),
        window=WINDOW,
        done=done,
        problem=problem,
        longest=LONGEST_REASON,
    )
