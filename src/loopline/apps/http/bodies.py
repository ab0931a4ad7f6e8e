"""What the raw doors share: a request body received and unpacked within its limit, and a whole response sent."""

import logging
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec

from loopline.apps.http.errors import headers_of, status_of
from loopline.errors import InvalidRecord, LooplineError

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

WINDOWS: Final = {"gzip": 31, "deflate": 15}
"""What zlib calls the two packings."""


class Reply(NamedTuple):
    """A whole HTTP response."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)


def json_reply(content: object, *, status: int = 200) -> Reply:
    """The content as JSON."""
    return Reply(status, msgspec.json.encode(content))


def refusal(status: int, sentence: str, *headers: tuple[bytes, bytes]) -> Reply:
    """The error object of the Open Inference Protocol.

    >>> refusal(405, "method: GET, expected POST", (b"allow", b"POST")).body
    b'{"error":"method: GET, expected POST"}'
    """
    reply = json_reply({"error": sentence}, status=status)
    return reply._replace(headers=(*reply.headers, *headers))


def too_large(limit: int) -> Reply:
    """The refusal of a body over the limit."""
    return refusal(413, f"request: a body over {limit:,} bytes, expected less; send it in parts")


def refused(error: LooplineError) -> Reply:
    """The refusal that an error family stands for; one that says when to try again says so in its header too."""
    return refusal(status_of(error), str(error), *headers_of(error))


async def guarded(replying: Awaitable[Reply | None], *, log: logging.Logger) -> Reply | None:
    """The reply, or the refusal of whatever was raised instead."""
    try:
        return await replying
    except LooplineError as error:
        return refused(error)
    except Exception as error:
        log.error("a request failed", exc_info=error)
        return refusal(500, f"internal error ({type(error).__name__}); the server's log has the details")


async def send_reply(send: Send, reply: Reply) -> None:
    """Send the response whole."""
    length = (b"content-length", str(len(reply.body)).encode())
    await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, length]})
    await send({"type": "http.response.body", "body": reply.body})


async def received(receive: Receive, *, limit: int) -> bytes | None:
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


def unpacked(body: bytes, *, encoding: str, limit: int) -> bytes:
    """The body as it was before packing; of one that is over the limit, only as much as shows it.

    Raises InvalidRecord for an unknown packing, and for bytes that are not what it announces.

    >>> len(unpacked(zlib.compress(bytes(1_000_000)), encoding="deflate", limit=2_000))
    2001
    """
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
