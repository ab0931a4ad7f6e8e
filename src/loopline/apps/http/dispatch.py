"""The way in: one raw ASGI function that checks who asks, then hands on to inference or to the control plane."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from loopline.apps.access import EVERYTHING, Keys
from loopline.apps.http.admission import CHALLENGE, REPORTED, UNKNOWN, Admission, Counted, Refusal, lies_under, need_of
from loopline.apps.http.identity import SAFE_METHODS, Identity, is_same_origin

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
"""Any ASGI application; ``Any``, since every framework types its own messages."""
HEALTH: Final = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
MAY: Final = "loopline.may"
"""Where the scope of a request tells what its caller may do: a set of ``access.Need``."""
SECURITY: Final = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
     b"object-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)  # fmt: skip


def make_dispatch(
    *,
    control: App,
    inference: App,
    identity: Identity,
    reporting: App | None = None,
    keys: Keys | None = None,
    meter: Counted | None = None,
) -> App:
    """One ASGI application behind one door: ``/v2`` and ``/v1`` go to ``inference``, all else to ``control``.

    ``/v1/predictions`` and ``/v1/outcomes`` go to ``reporting`` where there is one. Health needs nothing; the sign-in
    page, the static files and signed links need no token. Everything else answers 401 (or, for a browser that asks for
    a page, a redirect to sign in) until a token, a key of the right scope, or our signed cookie is shown. Refusals are
    counted by ``meter``.
    """
    admission = Admission(identity, keys=keys, meter=meter)
    reporting = reporting or inference

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await control(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 4404, "reason": "no websockets here"})
            return
        path: str = scope["path"]
        is_ours = not lies_under(path, "/v1", "/v2")
        reply = _guarded(send) if is_ours else send
        if scope["method"] == "HEAD":  # RFC 9110, 9.3.2: as GET, without the content
            scope, reply = {**scope, "method": "GET"}, _headers_only(reply)
        if await _is_turned_away(scope, reply, admission, identity):
            return
        app = control if is_ours else reporting if lies_under(path, *REPORTED) else inference
        await app(scope, receive, reply)

    return dispatch


def _is_program(path: str) -> bool:
    return lies_under(path, "/api", "/v1", "/v2")


def _is_open(method: str, path: str) -> bool:
    """Whether the door lets anyone pass: the files of the pages, and links that carry their own proof."""
    if ".." in path:
        return False
    return path.startswith("/static/") or (method in SAFE_METHODS and path.startswith("/objects/"))


async def _is_turned_away(scope: Scope, send: Send, admission: Admission, identity: Identity) -> bool:
    path: str = scope["path"]
    if path in HEALTH:
        return False
    raw = {name.lower(): value for name, value in scope["headers"]}
    host, shown = raw.get(b"host", b""), raw.get(b"authorization")
    if refusal := admission.misdirected(host):
        await _refuse(send, refusal)
        return True
    if _is_open(scope["method"], path):
        return False
    if shown is not None and shown[:7].lower() == b"bearer ":
        need = need_of(scope["method"], path)
        if refusal := admission.admit(shown, host, need, time.monotonic()):
            await _refuse(send, refusal)
            return True
        grant = admission.granted(shown)
        scope[MAY] = grant.may if grant else frozenset()
        return False
    scope[MAY] = EVERYTHING.may
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw.items()}
    return await _is_browser_turned_away(scope, headers, send, admission=admission, identity=identity)


async def _is_browser_turned_away(
    scope: Scope, headers: dict[str, str], send: Send, *, admission: Admission, identity: Identity
) -> bool:
    path, is_safe = scope["path"], scope["method"] in SAFE_METHODS
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    is_foreign = not is_safe and not is_same_origin(host=headers["host"], origin=origin, site=site)
    if path == "/sign-in":
        if is_foreign and (origin or site):
            text = "sign-in: found a request from another site, expected one from this page"
            await _refuse(send, admission.refuse(403, text))
        return is_foreign and bool(origin or site)
    if is_safe and b"token=" in scope["query_string"] and not _is_program(path):
        return await _take_token(scope, send, identity)
    if not identity.is_signed_in(headers.get("cookie", "")):
        if scope["method"] == "GET" and _wants_page(path, headers):
            await _redirect(send, f"/sign-in?{urlencode({'next': _address(scope)})}")
        else:
            await _refuse(send, admission.refuse(401, UNKNOWN, CHALLENGE))
        return True
    if is_foreign:
        text = "origin: found another site, expected this one; send the token instead of the cookie"
        await _refuse(send, admission.refuse(403, text))
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
    return not _is_program(path) and "text/html" in headers.get("accept", "")


def _address(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")


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


async def _refuse(send: Send, refusal: Refusal) -> None:
    headers = ((b"content-type", b"application/json"), *refusal.headers)
    await _answer(send, refusal.status, msgspec.json.encode({"error": refusal.sentence}), headers)


async def _redirect(send: Send, to: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    await _answer(send, 303, b"", ((b"location", to.encode("latin-1")), *headers))


async def _answer(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
