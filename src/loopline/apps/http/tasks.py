"""Tasks and answers in files: on their way out to other tools, and back in. For who looks after people's work."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from threading import BoundedSemaphore
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import (
    OpenAPIMediaType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from loopline.apps.http.caller import caller_of
from loopline.apps.http.describing import of_files, refusable
from loopline.apps.http.errors import answer
from loopline.apps.http.reporting.lines import LINES
from loopline.apps.http.views import House
from loopline.apps.tasks.account import Imported
from loopline.apps.tasks.bringing import bring_in
from loopline.apps.tasks.exporting import Form, Order, Purpose, What, rows
from loopline.apps.tasks.importing import LABEL_STUDIO, Wish, take_answers
from loopline.apps.tasks.label_studio import interface
from loopline.apps.tasks.reading import Kind, rows_in
from loopline.apps.tasks.writing import MEDIA, written
from loopline.errors import Busy, InvalidRecord

MOST_BYTES: Final = 16 << 20
"""Of one import, 16 MiB."""
AT_ONCE: Final = 1
WAIT_SECONDS: Final = 2
MOST_PEOPLE: Final = 1_000
Content = Literal["annotations", "tasks"]
READ: Final[dict[Kind, str]] = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
AnyRequest = Request[Any, Any, Any]


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """How a project is set up elsewhere, so that our tasks can be answered there."""

    label_studio: str
    """A labelling interface, as XML."""


def task_file_routes(house: House) -> list[HTTPRouteHandler]:
    """The routes of files."""
    settings = house.settings

    @get("/api/tasks/interface", sync_to_thread=False)
    def shown() -> Interface:
        """The labelling interface that tasks of this loop are answered with in Label Studio."""
        return Interface(label_studio=interface(settings))

    @get("/api/tasks/export", sync_to_thread=True, operation_class=of_files(MEDIA.values()))
    def export(
        what: FromQuery[What] = "tasks",
        cycle: FromQuery[str] = "open",
        purpose: FromQuery[Purpose] = "record",
        form: Annotated[Form, QueryParameter(name="format")] = "jsonl",
    ) -> Stream:
        """Tasks, answers or labels as a file; sealed samples stay, except among tasks for labelling."""
        order = Order(what, cycle, purpose, form)
        pieces = written(rows(house, order), order, settings=settings)
        first = next(pieces)
        endings = {"label-studio": "json"}
        headers = {"content-disposition": f'attachment; filename="{what}.{endings.get(form, form)}"'}
        return Stream(chain([first], pieces), media_type=MEDIA[form], headers=headers)

    return [shown, export, _import_route(house)]


def _import_route(house: House) -> HTTPRouteHandler:
    places = BoundedSemaphore(AT_ONCE)

    @post("/api/tasks/import", status_code=200, request_max_body_size=None, operation_class=_Importing)
    async def bring(
        request: AnyRequest,
        content: FromQuery[Content] = "annotations",
        source: FromQuery[str] = LABEL_STUDIO,
        people: Annotated[list[str] | None, QueryParameter(name="people")] = None,
        dry_run: FromQuery[bool] = False,  # noqa: FBT002  the query's own
    ) -> Response[Imported]:
        """Answers that were given elsewhere, or new samples to ask about; sent twice they are stored once."""
        kind = _kind_of(request)
        body = await _received(request)
        if body is None:
            text = f"request: a body over {MOST_BYTES >> 20} MiB, expected less; send it in parts"
            return answer(request, 413, text)
        if not places.acquire(blocking=False):
            raise Busy("import", reason="another one runs", seconds=WAIT_SECONDS, is_callers=True)
        try:
            found, actor = rows_in(body, kind=kind), caller_of(request).name
            wish = Wish(source=source, people=names_of(people or ()), is_dry=dry_run)
            if content == "tasks":
                return Response(await asyncio.to_thread(bring_in, house, found, actor=actor, is_dry=dry_run))
            return Response(await asyncio.to_thread(take_answers, house, found, wish=wish))
        finally:
            places.release()

    return bring


def names_of(pairs: Sequence[str]) -> dict[str, str]:
    """Address or number there -> name here, of ``there=here``. Raises InvalidRecord.

    >>> names_of(["1=ana", "bo@example.com=bo"])
    {'1': 'ana', 'bo@example.com': 'bo'}
    """
    if len(pairs) > MOST_PEOPLE:
        raise InvalidRecord("people", found=f"{len(pairs):,}", expected=f"at most {MOST_PEOPLE:,}")
    found: dict[str, str] = {}
    for pair in pairs:
        there, _, here = pair.rpartition("=")
        if not there or not here:
            expected = "an address or a number there and a name here, such as 1=ana"
            raise InvalidRecord("people", found=repr(pair[:80]), expected=expected)
        found[there] = here
    return found


def _kind_of(request: AnyRequest) -> Kind:
    told = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if packed := request.headers.get("content-encoding", ""):
        raise InvalidRecord("Content-Encoding", found=repr(packed[:40]), expected="none", remedy="unpack it first")
    if told in LINES:
        return "jsonl"
    found = next((kind for kind, media in READ.items() if media == told), None)
    if found is None:
        raise InvalidRecord("Content-Type", found=repr(told[:80]), expected=f"one of {', '.join(READ.values())}")
    return found


async def _received(request: AnyRequest) -> bytes | None:
    """The body; None when it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


@dataclass
class _Importing(Operation):
    """What the import takes: one of four kinds of file."""

    def __post_init__(self) -> None:
        refusable(self)
        kinds = {media: OpenAPIMediaType(schema=Schema()) for media in READ.values()}
        self.request_body = RequestBody(content=kinds, required=True, description="The file")
