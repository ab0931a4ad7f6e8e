"""The Open Inference Protocol over HTTP: ``/v2`` and what lies below it, as one raw ASGI function."""

import asyncio
import logging
import os
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from loopline import __version__
from loopline.apps.http import oip
from loopline.apps.http.errors import status_of
from loopline.capture.stage import Capture
from loopline.errors import InvalidRecord, LooplineError, NotFound
from loopline.records.ids import VersionName, uuid7
from loopline.records.model import ModelVersion
from loopline.records.settings import Settings
from loopline.serve.stage import Gateway

Headers = Mapping[str, str]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

BODY_BYTES: Final = 8 << 20
"""Of a request body, as it comes in and again when it is unpacked."""
POSTED: Final = frozenset({"infer", "index"})
WINDOWS: Final = {"gzip": 31, "deflate": 15}
"""What zlib calls the two packings."""
PATHS: Final = (
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/repository/index",
    "/v2/models/{model}[/versions/{version}][/ready|/infer]",
)
log = logging.getLogger("loopline.inference")


class Target(NamedTuple):
    """What a path asks for."""

    act: str
    """``server``, ``live``, ``ready``, ``index``, ``model``, ``model-ready`` or ``infer``."""
    model: str = ""
    version: VersionName | None = None
    """None: whichever the traffic split names."""


class Reply(NamedTuple):
    """A whole HTTP response."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)


def make_inference(
    gateway: Gateway, *, capture: Capture, settings: Settings, body_bytes: int = BODY_BYTES
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """An ASGI application that answers ``/v2``; each answer is counted and given to capture just before it leaves.

    Models run on the event loop's thread pool, so that a slow one holds up neither health nor other requests. Who may
    ask is decided outside.
    """
    door = _Door(gateway, capture, settings, body_bytes)

    async def inference(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        reply = await _guarded(door.reply(scope, receive))
        if reply is None:
            return
        length = (b"content-length", str(len(reply.body)).encode())
        await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, length]})
        await send({"type": "http.response.body", "body": reply.body})

    return inference


def target_of(path: str) -> Target:
    """What the path asks for. Raises NotFound.

    >>> target_of("/v2/models/sentiment/versions/v2/infer")
    Target(act='infer', model='sentiment', version='v2')
    """
    match path.rstrip("/").split("/")[1:]:
        case ["v2"]:
            return Target("server")
        case ["v2", "health", "live" | "ready" as act]:
            return Target(act)
        case ["v2", "repository", "index"]:
            return Target("index")
        case ["v2", "models", model, *rest]:
            return _model_target(model, rest, path=path)
        case _:
            raise NotFound("path", path, known=PATHS)


def _model_target(model: str, rest: list[str], *, path: str) -> Target:
    version = None
    if len(rest) >= 2 and rest[0] == "versions":
        version, rest = VersionName(rest[1]), rest[2:]
    match rest:
        case []:
            return Target("model", model, version)
        case ["ready"]:
            return Target("model-ready", model, version)
        case ["infer"]:
            return Target("infer", model, version)
        case _:
            raise NotFound("path", path, known=PATHS)


@dataclass(frozen=True)
class _Door:
    gateway: Gateway
    capture: Capture
    settings: Settings
    body_bytes: int

    async def reply(self, scope: Mapping[str, Any], receive: Receive) -> Reply | None:
        """The response; None when the caller left before the request was whole."""
        target = target_of(scope["path"])
        wanted = "POST" if target.act in POSTED else "GET"
        if scope["method"] != wanted:
            return _refusal(405, f"method: found {scope['method']}, expected {wanted}", (b"allow", wanted.encode()))
        if target.act != "infer":
            return self._about(target)
        self._check_model(target.model)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _received(receive, limit=self.body_bytes)
        if body is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(None, self._infer, target, headers, body)

    def _infer(self, target: Target, headers: Headers, body: bytes) -> Reply:
        content = _unpacked(body, encoding=headers.get("content-encoding", ""), limit=self.body_bytes)
        if len(content) > self.body_bytes:
            return _refusal(413, f"request: found a body over {self.body_bytes} bytes, expected less; send it in parts")
        settings = self.settings
        request = oip.parse(content, header_length=_header_length(headers), signature=settings.signature)
        name = request.id or uuid7(now_ms=time.time_ns() // 1_000_000, randomness=os.urandom(10))
        group = request.parameters.get(settings.capture.group_by, "")
        answers = self.gateway.answer(request.rows, id=name, group=group, version=target.version)
        response, length = oip.respond(request, name=name, answers=answers)
        for prediction in answers:
            self.capture.offer(prediction)
        if length is None:
            return Reply(200, response)
        kind = (b"content-type", b"application/octet-stream")
        return Reply(200, response, (kind, (b"inference-header-content-length", str(length).encode())))

    def _about(self, target: Target) -> Reply:
        table, name = self.gateway.table, self.settings.name
        match target.act:
            case "server":
                return _json(oip.server(__version__))
            case "live":
                return _json({"live": True})
            case "ready":
                return _json({"ready": table.split is not None}, status=200 if table.split else 503)
            case "index":
                return _json(oip.repository(name, loaded=table.versions, refusals=self.gateway.refusals))
            case _:
                return self._about_model(target)

    def _about_model(self, target: Target) -> Reply:
        self._check_model(target.model)
        name, found = self.settings.name, self._versions(target.version)
        if target.act == "model-ready":
            return _json({"name": name, "ready": bool(found)}, status=200 if found else 503)
        return _json(oip.model(name, signature=self.settings.signature, versions=[one.name for one in found]))

    def _check_model(self, model: str) -> None:
        if model != self.settings.name:
            raise NotFound("model", model, known=(self.settings.name,))

    def _versions(self, named: VersionName | None) -> tuple[ModelVersion, ...]:
        loaded = self.gateway.table.versions
        found = tuple(one for one in loaded if named in (None, one.name))
        if named is not None and not found:
            raise NotFound("loaded version", named, known=tuple(sorted(one.name for one in loaded)))
        return found


async def _guarded(replying: Awaitable[Reply | None]) -> Reply | None:
    """The reply, or the protocol's error object for whatever was raised instead."""
    try:
        return await replying
    except LooplineError as error:
        return _refusal(status_of(error), str(error))
    except Exception as error:
        log.error("a request failed", exc_info=error)
        return _refusal(500, f"internal error ({type(error).__name__}); the server's log has the details")


async def _received(receive: Receive, *, limit: int) -> bytes | None:
    """The body, or as much of it as shows that it is over the limit; None when the caller left before its end."""
    parts: list[bytes] = []
    size = 0
    while size <= limit:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body", False):
            break
    return b"".join(parts)


def _unpacked(body: bytes, *, encoding: str, limit: int) -> bytes:
    """The body as it was before packing; of one that is over the limit, only as much as shows it."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or len(body) > limit:
        return body
    if encoding not in WINDOWS:
        raise InvalidRecord("Content-Encoding", found=repr(encoding), expected="gzip, deflate or none")
    unpacking = zlib.decompressobj(WINDOWS[encoding])
    try:
        content = unpacking.decompress(body, limit + 1)
    except zlib.error as error:
        raise InvalidRecord("request body", found=str(error), expected=f"{encoding} as announced") from error
    if len(content) <= limit and (not unpacking.eof or unpacking.unused_data):
        found = "bytes after the end" if unpacking.eof else "an end too early"
        raise InvalidRecord("request body", found=found, expected=f"one whole {encoding} stream")
    return content


def _header_length(headers: Headers) -> int | None:
    value = headers.get("inference-header-content-length")
    if value is not None and not (value.isascii() and value.isdecimal() and len(value) < 12):
        raise InvalidRecord("Inference-Header-Content-Length", found=repr(value), expected="a number of bytes")
    return None if value is None else int(value)


def _json(content: object, *, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(content))


def _refusal(status: int, sentence: str, *headers: tuple[bytes, bytes]) -> Reply:
    reply = _json({"error": sentence}, status=status)
    return reply._replace(headers=(*reply.headers, *headers))
