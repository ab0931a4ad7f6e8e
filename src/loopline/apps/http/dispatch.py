"""The way in: one raw ASGI function that checks who asks, then hands on to inference or to the control plane."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from loopline.apps.access import Keys, Need, closed_to, roles_for
from loopline.apps.http.acts import Recorded, is_act
from loopline.apps.http.admission import CHALLENGE, REPORTED, UNKNOWN, Admission, Counted, Refusal, lies_under, need_of
from loopline.apps.http.caller import ASKING, CALLER, CONSOLE, FROM, NOBODY, TOKEN, Caller
from loopline.apps.http.errors import Headers
from loopline.apps.http.identity import SAFE_METHODS, Identity, is_same_origin
from loopline.apps.http.reception import Reception, Turned, Visit, Wrong
from loopline.apps.web.render import text
from loopline.errors import InvalidRecord

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
"""Any ASGI application; ``Any``, since every framework types its own messages."""
EVERYBODYS: Final = ("/sign-out", "/account")
"""What is open to whoever signed in, whatever their role."""
HEALTH: Final = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
HTML: Final[Headers] = ((b"content-type", b"text/html; charset=utf-8"),)
SECURITY: Final = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
     b"object-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)  # fmt: skip


class Lodge(NamedTuple):
    """What the door goes by, beside the token."""

    keys: Keys | None = None
    meter: Counted | None = None
    people: Reception | None = None


ALONE: Final = Lodge()


class Door(NamedTuple):
    """Who judges a request."""

    admission: Admission
    identity: Identity
    people: Reception | None


def make_dispatch(
    *, control: App, inference: App, identity: Identity, reporting: App | None = None, lodge: Lodge = ALONE
) -> App:
    """One ASGI application behind one door: ``/v2`` and ``/v1`` go to ``inference``, all else to ``control``.

    ``/v1/predictions`` and ``/v1/outcomes`` go to ``reporting`` where there is one. Health needs nothing; the sign-in
    page, the static files and signed links need no token. Everything else answers 401 (or, for a browser that asks for
    a page, a redirect to sign in) until a token, a key of the right scope, or a cookie of ours is shown, and 403 to
    whoever it is closed to. Refusals are counted by ``lodge.meter``; acts go on record in ``lodge.people``'s log.
    """
    door = Door(Admission(identity, keys=lodge.keys, meter=lodge.meter), identity, lodge.people)
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
        ASKING.set(NOBODY)
        visit = await _visit(scope, reply, door)
        if visit is None:
            return
        scope[CALLER] = visit.caller
        ASKING.set(visit.caller)
        app = control if is_ours else reporting if lies_under(path, *REPORTED) else inference
        await _answered(app, scope, receive, _renewing(reply, visit, scope, door), door=door)

    return dispatch


async def _answered(app: App, scope: Scope, receive: Receive, send: Send, *, door: Door) -> None:
    """Have it answered; what is an act goes on record before its answer leaves."""
    if door.people is None or not is_act(scope["method"], scope["path"]):
        await app(scope, receive, send)
        return
    recorded = _recorded(scope, send, door.people)
    try:
        await app(scope, receive, recorded)
    finally:
        await recorded.write()


def _recorded(scope: Scope, send: Send, people: Reception) -> Recorded:
    return Recorded(scope, send, scribe=people.scribe, address=people.origins.address(scope))


def _is_program(path: str) -> bool:
    return lies_under(path, "/api", "/v1", "/v2")


def _is_open(method: str, path: str) -> bool:
    """Whether the door lets anyone pass: the files of the pages, and links that carry their own proof."""
    if ".." in path:
        return False
    return path.startswith("/static/") or (method in SAFE_METHODS and path.startswith("/objects/"))


async def _visit(scope: Scope, send: Send, door: Door) -> Visit | None:
    """Who asks, when they may go on; None when they were answered here."""
    method, path = scope["method"], scope["path"]
    if path in HEALTH:
        return Visit(NOBODY)
    raw = {name.lower(): value for name, value in scope["headers"]}
    if refusal := door.admission.misdirected(raw.get(b"host", b"")):
        return await _refuse(send, refusal)
    if _is_open(method, path):
        return Visit(NOBODY)
    if raw.get(b"authorization", b"")[:7].lower() == b"bearer ":
        return await _program(scope, raw, send, door)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw.items()}
    if path == "/sign-in":
        return await _signing_in(scope, headers, send, door)
    if method in SAFE_METHODS and b"token=" in scope["query_string"] and not _is_program(path):
        return await _take_token(scope, send, door)
    return await _person(scope, headers, send, door)


async def _program(scope: Scope, raw: dict[bytes, bytes], send: Send, door: Door) -> Visit | None:
    """Whoever shows a key or the token."""
    shown, need = raw[b"authorization"], need_of(scope["method"], scope["path"])
    refusal = door.admission.admit(shown, raw.get(b"host", b""), need, time.monotonic())
    grant = door.admission.granted(shown)
    caller = Caller(grant.key, grant.may) if grant else NOBODY
    if caller == TOKEN and raw.get(FROM) == CONSOLE.name.encode():
        caller = CONSOLE
    if refusal is None:
        return Visit(caller)
    if grant is not None:
        await _note_refused(scope, caller, refusal.status, door)
    return await _refuse(send, refusal)


async def _person(scope: Scope, headers: dict[str, str], send: Send, door: Door) -> Visit | None:
    """Whoever sits before a browser."""
    admission, method, path = door.admission, scope["method"], scope["path"]
    try:
        visit = await _known(scope, headers.get("cookie", ""), door)
    except Turned as turned:
        return await _tell(scope, headers, send, admission.refuse(403, str(turned)))
    except InvalidRecord as error:
        return await _tell(scope, headers, send, admission.refuse(400, str(error)))
    is_leaving = lies_under(path, "/sign-out")
    if visit is None:
        if _wants_page(path, headers) and (method == "GET" or is_leaving):
            address = "/sign-in" if is_leaving else f"/sign-in?{urlencode({'next': _address(scope)})}"
            return await _redirect(send, address)
        return await _refuse(send, admission.refuse(401, UNKNOWN, CHALLENGE))
    if _is_foreign(method, headers):
        text = "origin: found another site, expected this one; send the token instead of the cookie"
        return await _refuse(send, admission.refuse(403, text))
    need = need_of(method, path)
    if need in visit.caller.may or lies_under(path, *EVERYBODYS):
        return visit
    await _note_refused(scope, visit.caller, 403, door)
    return await _close(scope, headers, send, visit.caller, need=need, admission=admission)


async def _known(scope: Scope, cookies: str, door: Door) -> Visit | None:
    """Who this browser is. Only the first sight of somebody whom a proxy brings waits, in a thread of its own."""
    if door.people is None:
        return Visit(TOKEN) if door.identity.is_signed_in(cookies) else None
    if door.people.is_first_sight(scope):
        return await asyncio.to_thread(door.people.visit, scope, cookies)
    return door.people.visit(scope, cookies)


async def _signing_in(scope: Scope, headers: dict[str, str], send: Send, door: Door) -> Visit | None:
    """The form is open to everybody but other sites."""
    is_told = "origin" in headers or "sec-fetch-site" in headers
    if is_told and _is_foreign(scope["method"], headers):
        text = "sign-in: found a request from another site, expected one from this page"
        return await _refuse(send, door.admission.refuse(403, text))
    return Visit(NOBODY)


async def _take_token(scope: Scope, send: Send, door: Door) -> Visit | None:
    """``/?token=...`` signs in and goes on to the same address without the token, so that no history keeps it."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    token, is_secure = next((value for name, value in query if name == "token"), ""), False
    try:
        if door.people is not None:
            is_secure, address = door.people.origins.is_secure(scope), door.people.origins.address(scope)
            await asyncio.to_thread(door.people.take_link, token, address=address)
        elif not door.identity.is_token(token):
            raise Wrong
    except Wrong:
        door.admission.refuse(401, UNKNOWN)
        return await _redirect(send, "/sign-in?wrong=1")
    rest = urlencode([(name, value) for name, value in query if name != "token"])
    clean = "/" + quote(scope["path"]).lstrip("/") + (f"?{rest}" if rest else "")
    return await _redirect(send, clean, ((b"set-cookie", door.identity.issue(is_secure=is_secure).encode()),))


async def _close(
    scope: Scope, headers: dict[str, str], send: Send, caller: Caller, *, need: Need, admission: Admission
) -> Visit | None:
    """403 to whoever this is closed to: a sentence, and for a page a page that says which role it takes."""
    roles = caller.user.roles if caller.user else ()
    refusal = admission.refuse(403, closed_to(caller.name, need, roles))
    if scope["method"] == "GET" and _wants_page(scope["path"], headers):
        ASKING.set(caller)
        body = text("forbidden.html", here="", loop_name="", sentence=refusal.sentence, roles=roles_for(need))
        await _answer(send, 403, body.encode(), HTML)
        return None
    return await _refuse(send, refusal)


async def _tell(scope: Scope, headers: dict[str, str], send: Send, refusal: Refusal) -> Visit | None:
    """The refusal as a page, to a browser that asks for one."""
    if not _wants_page(scope["path"], headers):
        return await _refuse(send, refusal)
    body = text("error.html", status=refusal.status, sentence=refusal.sentence, here="", loop_name="")
    await _answer(send, refusal.status, body.encode(), HTML)
    return None


async def _note_refused(scope: Scope, caller: Caller, status: int, door: Door) -> None:
    """What somebody known was refused goes on record when it was an act."""
    if door.people is not None and is_act(scope["method"], scope["path"]):
        scope[CALLER] = caller
        await _recorded(scope, _nowhere, door.people).write(str(status))


async def _nowhere(_: Any) -> None:
    """Nothing is sent."""


def _is_foreign(method: str, headers: dict[str, str]) -> bool:
    """Whether a request that changes something comes from elsewhere than our own pages."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    return method not in SAFE_METHODS and not is_same_origin(host=headers["host"], origin=origin, site=site)


def _renewing(send: Send, visit: Visit, scope: Scope, door: Door) -> Send:
    """The answer carries the session's cookie anew when that is due, unless it sets one itself."""
    session, people = visit.session, door.people
    if session is None or people is None or not session.is_old:
        return send
    renewed = people.sessions.renewed(session, is_secure=people.origins.is_secure(scope)).encode()

    async def renewing(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            if not any(name.lower() == b"set-cookie" for name, _ in headers):
                headers.append((b"set-cookie", renewed))
            message = {**message, "headers": headers}
        await send(message)

    return renewing


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


async def _refuse(send: Send, refusal: Refusal) -> Visit | None:
    """Answer it here: nobody goes on."""
    headers = ((b"content-type", b"application/json"), *refusal.headers)
    await _answer(send, refusal.status, msgspec.json.encode({"error": refusal.sentence}), headers)
    return None


async def _redirect(send: Send, to: str, headers: Headers = ()) -> Visit | None:
    """Answer it here: nobody goes on."""
    await _answer(send, 303, b"", ((b"location", to.encode("latin-1")), *headers))
    return None


async def _answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
