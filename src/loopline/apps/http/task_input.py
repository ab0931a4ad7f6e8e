"""``GET /api/tasks/{id}/input``: the bytes that a task is about, for whoever is asked about it."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from loopline.apps.http.answering import identified
from loopline.apps.http.caller import Caller, annotator_of, caller_of
from loopline.apps.http.views import House
from loopline.errors import InvalidRecord, NotFound
from loopline.ports.work_log import Asked
from loopline.records.ids import TaskId
from loopline.records.task import Task

LARGEST: Final = 32 << 20
PLAIN: Final = "application/octet-stream"
KEPT: Final = "private, max-age=31536000, immutable"
"""A task's input never changes, and it is for this person's browser alone."""


def media_type(content: bytes) -> str:
    """What an image is by its first bytes; bytes that are no image which every browser draws safely are just bytes.

    >>> media_type(b"GIF89a"), media_type(b"<svg onload=...>")
    ('image/gif', 'application/octet-stream')
    """
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return "image/png"
    if content[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return PLAIN


def input_routes(house: House) -> list[HTTPRouteHandler]:
    """The route; it does not tell a task that somebody else is asked about from none."""

    @get("/api/tasks/{task:str}/input", sync_to_thread=True, media_type=PLAIN)
    def input_of(request: Request[Any, Any, Any], task: FromPath[str], annotator: FromQuery[str] = "") -> Response[Any]:
        """The raw bytes of a sample, for who holds, answered or passed its task; ``annotator`` as in a claim."""
        found = visible(house, TaskId(identified("task", task)), caller=caller_of(request), named=annotator)
        if len(found.inputs) > LARGEST:
            sizes = f"{len(found.inputs):,} bytes", f"at most {LARGEST:,}"
            raise InvalidRecord(f"input of task {task}", found=sizes[0], expected=sizes[1])
        kind, tag = media_type(found.inputs), f'"{found.content}"'
        headers = {
            "cache-control": KEPT,
            "content-security-policy": "default-src 'none'; sandbox",
            "etag": tag,
            "vary": "Authorization, Cookie",
        }
        if tag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
            return Response(b"", status_code=304, media_type=kind, headers=headers)
        if kind == PLAIN:
            headers["content-disposition"] = "attachment"
        return Response(found.inputs, media_type=kind, headers=headers)

    return [input_of]


def visible(house: House, task: TaskId, *, caller: Caller, named: str = "") -> Task:
    """The task, if this caller may see what it is about. Raises NotFound for any other, as for one that is not there.

    A person sees what they were asked about: of the sealed reserve too, since people have to label it; a program that
    asks for them names them. Who signed in to settle tasks sees what anybody was asked about; of the reserve not,
    where they may run the loop as well. So no one who chooses or trains comes by a sealed sample here without being
    asked about it.
    """
    try:
        asked = house.work.asked(house.settings.name, task=task)
    except NotFound:
        raise NotFound("task", task) from None
    if not _may_see(house, asked, caller, named):
        raise NotFound("task", task)
    return asked.task


def _may_see(house: House, asked: Asked, caller: Caller, named: str) -> bool:
    if caller.user and "adjudicate" in caller.may and asked.people and not is_sealed_to(house, asked.task, caller):
        return True
    if "annotate" not in caller.may or not (caller.user or named):
        return False
    return annotator_of(caller, named) in asked.people


def is_sealed_to(house: House, task: Task, caller: Caller) -> bool:
    """Whether it judges models, as it does when it is asked about once more, and this caller may run the loop."""
    if "control" not in caller.may:
        return False
    return task.stratum == "reserve" or task.content in house.roles.reserved(house.settings.name)
