"""The error families meet HTTP here, once: a status and a sentence, as JSON for programs and as a page for people."""

import logging
import re
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from loopline.apps.web.render import page
from loopline.errors import Busy, Conflict, InvalidRecord, LooplineError, NotFound, Unavailable

STATUS: tuple[tuple[type[LooplineError], int], ...] = (
    (InvalidRecord, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
)
log = logging.getLogger("loopline.http")
AnyRequest = Request[Any, Any, Any]
Headers = tuple[tuple[bytes, bytes], ...]
"""As ASGI takes them: names in small letters."""


def status_of(error: LooplineError) -> int:
    """The HTTP status of a family; 500 for one that has none.

    >>> status_of(NotFound("model", "v9")), status_of(Busy("key", reason="asked often", seconds=1, is_callers=True))
    (404, 429)
    """
    if isinstance(error, Busy) and error.is_callers:
        return 429
    return next((status for family, status in STATUS if isinstance(error, family)), 500)


def headers_of(error: LooplineError) -> Headers:
    """What an answer that tells of this error says beside it: when to try again, if that is known.

    >>> headers_of(Busy("model", reason="400 requests wait", seconds=2))
    ((b'retry-after', b'2'),)
    """
    return ((b"retry-after", b"%d" % error.seconds),) if isinstance(error, Busy) else ()


def _from_family(request: AnyRequest, error: LooplineError) -> Response[Any]:
    answered = answer(request, status_of(error), str(error))
    for name, value in headers_of(error):
        answered.headers[name.decode()] = value.decode()
    return answered


def _from_framework(request: AnyRequest, error: HTTPException) -> Response[Any]:
    if isinstance(error, ValidationException):
        return answer(request, 400, _spoken(error))
    if error.status_code == 404:
        return answer(request, 404, f"no page {request.url.path!r}; the overview is at '/'")
    if error.status_code == 413:
        return answer(request, 413, "request: found a body over 1 MiB, expected less; send it in parts")
    answered = answer(request, error.status_code, f"request: {error.detail}")
    answered.headers.update(error.headers or {})  # which methods there are
    return answered


def _from_anything(request: AnyRequest, error: Exception) -> Response[Any]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return answer(request, 500, f"internal error ({type(error).__name__}); the server's log has the details")


def _spoken(error: ValidationException) -> str:
    """What was found and expected, from the framework's list of faults."""
    faults = error.extra if isinstance(error.extra, list) else []
    said = [_fault(str(fault.get("key", "")), str(fault["message"])) for fault in faults if "message" in fault]
    return f"request: {'; '.join(said) or error.detail}"


def _fault(key: str, message: str) -> str:
    if message.strip("'") == key:  # the framework's words for a body or a parameter that was not sent
        return "found no body, expected a JSON object" if key == "data" else f"found no {key!r}, expected one"
    said = MISMATCH.sub(lambda found: f"found {_kind(found[2])}, expected {_kind(found[1])}", message)
    return f"{key}: {said}" if key else said


MISMATCH = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
"""The decoder's words for a value of another type."""
TYPES = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "array": "a list",
    "object": "an object", "null": "null",
}  # fmt: skip


def _kind(name: str) -> str:
    return " or ".join(TYPES.get(one, one) for one in name.split(" | "))


def answer(request: AnyRequest, status: int, sentence: str) -> Response[Any]:
    """``{"error": sentence}`` under ``/api`` and for programs, else a page that says the same."""
    path = request.url.path
    if path.startswith("/api") or "text/html" not in request.headers.get("accept", ""):
        return Response({"error": sentence}, status_code=status, media_type="application/json")
    return page("error.html", status=status, sentence=sentence, here="", loop_name="")


HANDLERS: ExceptionHandlersMap = {
    LooplineError: _from_family,
    HTTPException: _from_framework,
    Exception: _from_anything,
}
"""For Litestar: the most specific family wins."""
