"""The small forms of people at the door: sign in, sign out, another password."""

from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, URLEncodedBody

from loopline.apps.access import Need
from loopline.apps.http.admission import need_of
from loopline.apps.http.caller import TOKEN, Caller, caller_of
from loopline.apps.http.errors import status_of
from loopline.apps.http.reception import Reception, Wrong, caller_for
from loopline.apps.web.render import page
from loopline.errors import Busy, InvalidRecord

Html = Response[Any]
AnyRequest = Request[Any, Any, Any]
WRONG = "wrong"
"""What went wrong when a name and a password, or a token, are not right: the form says it in its own words."""
FORM_BYTES = 16_384
"""Of what a form sends here."""


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What the form sends: a name and its password, or the token."""

    name: str = ""
    password: str = ""
    token: str = ""
    next: str = "/"


class NewPassword(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of the account sends."""

    old: str = ""
    new: str = ""


def within(address: str) -> str:
    """The address if it lies on this server, else the overview: a sign-in never sends anyone elsewhere.

    >>> within("/cycles/3?x=1"), within("//evil.example"), within("https://evil.example")
    ('/cycles/3?x=1', '/', '/')
    """
    is_ours = address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address if is_ours and address.isprintable() else "/"


def landing(address: str, may: frozenset[Need]) -> str:
    """Where somebody goes on who has just signed in: on to what they asked for, if that is open to them.

    >>> landing("/cycles", frozenset({"read"})), landing("/cycles", frozenset({"annotate"})), landing("/王", TOKEN.may)
    ('/cycles', '/annotate', '/%E7%8E%8B')
    """
    asked = within(address)
    path = asked.partition("?")[0].partition("#")[0]
    if need_of("GET", path) not in may:
        return "/annotate" if "annotate" in may else "/account"
    return quote(asked, safe="/?#[]@!$&'()*+,;=:%~")


def signing_routes(people: Reception, *, loop: str) -> list[HTTPRouteHandler]:
    """Sign in, sign out, and the page on which people look after their own account."""
    return [
        *_way_in(people, loop=loop),
        *_way_out(people),
        *_account_routes(people, loop=loop),
    ]


def _form(asked: SignIn, *, loop: str, status: int = 200, problem: str = "") -> Html:
    """The form, with what went wrong."""
    return page(
        "sign_in.html", status=status, here="sign-in", loop_name=loop, next=within(asked.next), problem=problem,
        is_token=bool(asked.token), name=asked.name[:80],
    )  # fmt: skip


def _cookie_of(people: Reception, asked: SignIn, request: AnyRequest) -> tuple[Caller, str]:
    """Who signs in with this, and their cookie. Raises Wrong and Busy."""
    scope = request.scope
    address, is_secure = people.origins.address(scope), people.origins.is_secure(scope)
    if asked.token:
        people.take_token(asked.token, address=address)
        return TOKEN, people.identity.issue(is_secure=is_secure)
    user = people.sign_in(asked.name, asked.password, address=address)
    return caller_for(user), people.sessions.begun(user, is_secure=is_secure)


def _way_in(people: Reception, *, loop: str) -> list[HTTPRouteHandler]:
    @get("/sign-in", sync_to_thread=False, include_in_schema=False)
    def form(next: FromQuery[str] = "/", wrong: FromQuery[int] = 0) -> Html:  # noqa: A002  the query's own name
        """The form."""
        return _form(SignIn(next=next, token="?" if wrong else ""), loop=loop, problem=WRONG if wrong else "")

    @post("/sign-in", include_in_schema=False, request_max_body_size=FORM_BYTES)
    async def sign_in(request: AnyRequest, data: URLEncodedBody[SignIn]) -> Html:
        """A cookie for whoever is right; the form again for whoever is not."""
        try:
            caller, cookie = await people.aside(partial(_cookie_of, people, data, request))
        except Wrong:
            people.refused(401)
            return _form(data, loop=loop, status=401, problem=WRONG)
        except Busy as busy:
            people.refused(status_of(busy))
            answer = _form(data, loop=loop, status=status_of(busy), problem=str(busy))
            answer.headers["retry-after"] = str(busy.seconds)
            return answer
        headers = {"location": landing(data.next, caller.may), "set-cookie": cookie}
        return Response(None, status_code=303, headers=headers)

    return [form, sign_in]


def _way_out(people: Reception) -> list[HTTPRouteHandler]:
    @post("/sign-out", sync_to_thread=True, include_in_schema=False, request_max_body_size=FORM_BYTES)
    def sign_out(request: AnyRequest) -> Html:
        """Forget this browser."""
        actor = caller_of(request).name
        people.scribe.note("signed out", actor=actor, address=people.origins.address(request.scope))
        return _left(people)

    @post("/sign-out/everywhere", sync_to_thread=True, include_in_schema=False, request_max_body_size=FORM_BYTES)
    def sign_out_everywhere(request: AnyRequest) -> Html:
        """Forget every browser of whoever asks."""
        user, address = caller_of(request).user, people.origins.address(request.scope)
        if user is not None:
            people.sign_out_everywhere(user, address=address)
        return _left(people)

    return [sign_out, sign_out_everywhere]


def _left(people: Reception) -> Html:
    return Response(None, status_code=303, headers={"location": "/sign-in", "set-cookie": people.identity.revoke()})


def _account_routes(people: Reception, *, loop: str) -> list[HTTPRouteHandler]:
    def account_page(caller: Caller, *, status: int = 200, problem: str = "", is_done: bool = False) -> Html:
        """The page of whoever asks."""
        told = {"user": caller.user, "problem": problem, "is_done": is_done}
        return page("account.html", status=status, here="account", loop_name=loop, **told)

    @get("/account", sync_to_thread=False, include_in_schema=False)
    def account(request: AnyRequest) -> Html:
        """Who is signed in here, and as what."""
        return account_page(caller_of(request))

    @post("/account", include_in_schema=False, request_max_body_size=FORM_BYTES)
    async def password(request: AnyRequest, data: URLEncodedBody[NewPassword]) -> Html:
        """Another password: other browsers are signed out, this one stays."""
        caller, scope = caller_of(request), request.scope
        if caller.user is None:
            return account_page(caller, status=403, problem="The token has no password: it is kept in a file.")
        try:
            address = people.origins.address(scope)
            work = partial(people.change_password, caller.user, data.old, data.new, address=address)
            changed = await people.aside(work)
        except Wrong:
            return account_page(caller, status=401, problem="The present password is another one.")
        except InvalidRecord as error:
            return account_page(caller, status=400, problem=str(error))
        except Busy as busy:
            return account_page(caller, status=status_of(busy), problem=str(busy))
        answer = account_page(Caller(changed.name, caller.may, changed), is_done=True)
        answer.headers["set-cookie"] = people.sessions.begun(changed, is_secure=people.origins.is_secure(scope))
        return answer

    return [account, password]
