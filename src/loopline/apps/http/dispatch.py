"""The way in: one raw ASGI function that checks who asks, then hands on to inference or to the control plane."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from loopline.apps.http.identity import SAFE_METHODS, Identity, is_same_origin

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
"""Any ASGI application; ``Any``, since every framework types its own messages."""
HEALTH: Final = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
SECURITY: Final = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
     b"object-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)  # fmt: skip


def make_dispatch(*, control: App, inference: App, identity: Identity) -> App:
    """One ASGI application: ``/v1`` and ``/v2`` go to ``inference``, all else to ``control``, both behind the door.

    Health needs no token; the sign-in page and the static files need none either. Everything else answers 401 (or,
    for a browser that asks for a page, a redirect to sign in) until a bearer token or our signed cookie is shown.
    """

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await control(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 4404, "reason": "no websockets here"})
            return
        is_inference = _lies_under(scope["path"], ("/v1", "/v2"))
        reply = _guarded(send) if not is_inference else send
        if scope["method"] == "HEAD":  # RFC 9110, 9.3.2: as GET, without the content
            scope, reply = {**scope, "method": "GET"}, _headers_only(reply)
        if await _is_turned_away(scope, reply, identity):
            return
        await (inference if is_inference else control)(scope, receive, reply)

    return dispatch


def _lies_under(path: str, roots: tuple[str, ...] = ("/api", "/v1", "/v2")) -> bool:
    return path in roots or path.startswith(tuple(f"{root}/" for root in roots))


async def _is_turned_away(scope: Scope, send: Send, identity: Identity) -> bool:
    path: str = scope["path"]
    if path in HEALTH:
        return False
    headers = _read(scope["headers"])
    host = headers.get("host", "")
    if not identity.answers_to(host):
        ours = " or ".join(sorted(identity.hosts) or ("localhost", "127.0.0.1"))
        text = f"host: found {host[:100]!r}, expected {ours}; call this server by one of its own names"
        await _refuse(send, 421, text)
        return True
    if path.startswith("/static/"):
        return False
    token = headers.get("authorization", "")
    if token[:7].lower() == "bearer ":
        if identity.is_token(token[7:].strip()):
            return False
        await _refuse(send, 401, "token: found a wrong one, expected the one printed at start", _CHALLENGE)
        return True
    return await _is_browser_turned_away(scope, headers, send, identity)


_CHALLENGE: Final = ((b"www-authenticate", b'Bearer realm="loopline"'),)


async def _is_browser_turned_away(scope: Scope, headers: dict[str, str], send: Send, identity: Identity) -> bool:
    path, is_safe = scope["path"], scope["method"] in SAFE_METHODS
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    is_foreign = not is_safe and not is_same_origin(host=headers["host"], origin=origin, site=site)
    if path == "/sign-in":
        if is_foreign and (origin or site):
            await _refuse(send, 403, "sign-in: found a request from another site, expected one from this page")
        return is_foreign and bool(origin or site)
    if is_safe and b"token=" in scope["query_string"] and not _lies_under(path):
        return await _take_token(scope, send, identity)
    if not identity.is_signed_in(headers.get("cookie", "")):
        if scope["method"] == "GET" and _wants_page(path, headers):
            await _redirect(send, f"/sign-in?{urlencode({'next': _address(scope)})}")
        else:
            await _refuse(send, 401, "token: found none, expected 'Authorization: Bearer ...' or a sign-in", _CHALLENGE)
        return True
    if is_foreign:
        await _refuse(send, 403, "origin: found another site, expected this one; send the token instead of the cookie")
    return is_foreign


async def _take_token(scope: Scope, send: Send, identity: Identity) -> bool:
    """``/?token=...`` signs in and goes on to the same address without the token, so that no history keeps it."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if identity.is_token(next((value for name, value in query if name == "token"), "")):
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        clean = "/" + quote(scope["path"]).lstrip("/") + (f"?{rest}" if rest else "")
        await _redirect(send, clean, ((b"set-cookie", identity.issue().encode()),))
    else:
        await _redirect(send, "/sign-in?wrong=1")
    return True


def _wants_page(path: str, headers: dict[str, str]) -> bool:
    return not _lies_under(path) and "text/html" in headers.get("accept", "")


def _address(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")


def _read(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _guarded(send: Send) -> Send:
    """Every answer of the control plane carries the security headers, and no cache keeps it unless it says so."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            headers += SECURITY
            if not any(name.lower() == b"cache-control" for name, _ in headers):
                headers.append((b"cache-control", b"no-store"))
            message["headers"] = headers
        await send(message)

    return guarded


def _headers_only(send: Send) -> Send:
    async def headers_only(message: Message) -> None:
        is_body = message["type"] == "http.response.body"
        await send({**message, "body": b""} if is_body else message)

    return headers_only


async def _refuse(send: Send, status: int, text: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    await _answer(
        send, status, msgspec.json.encode({"error": text}), ((b"content-type", b"application/json"), *headers)
    )


async def _redirect(send: Send, to: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    await _answer(send, 303, b"", ((b"location", to.encode("latin-1")), *headers))


async def _answer(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
