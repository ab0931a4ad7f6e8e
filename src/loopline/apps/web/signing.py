"""The small form through which a browser shows the token."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, URLEncodedBody

from loopline.apps.http.identity import Identity
from loopline.apps.web.render import page

Html = Response[Any]


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What the form sends."""

    token: str = ""
    next: str = "/"


def within(address: str) -> str:
    """The address if it lies on this server, else the overview: a sign-in never sends anyone elsewhere.

    >>> within("/cycles/3?x=1"), within("//evil.example"), within("https://evil.example")
    ('/cycles/3?x=1', '/', '/')
    """
    is_ours = address.startswith("/") and not address.startswith("//") and "\\" not in address
    return address if is_ours and address.isprintable() else "/"


def signing_routes(identity: Identity, *, loop: str) -> list[HTTPRouteHandler]:
    """Sign in, sign out."""

    @get("/sign-in", sync_to_thread=False, include_in_schema=False)
    def form(next: FromQuery[str] = "/", wrong: FromQuery[int] = 0) -> Html:  # noqa: A002  the query's own name
        """The form."""
        return page("sign_in.html", here="sign-in", loop_name=loop, next=within(next), wrong=bool(wrong))

    @post("/sign-in", sync_to_thread=False, include_in_schema=False)
    def sign_in(data: URLEncodedBody[SignIn]) -> Html:
        """A cookie for the right token; the form again for a wrong one."""
        if not identity.is_token(data.token.strip()):
            return page("sign_in.html", status=401, here="sign-in", loop_name=loop, next=within(data.next), wrong=True)
        headers = {"location": within(data.next), "set-cookie": identity.issue()}
        return Response(None, status_code=303, headers=headers)

    @post("/sign-out", sync_to_thread=False, include_in_schema=False)
    def sign_out() -> Html:
        """Forget this browser."""
        return Response(None, status_code=303, headers={"location": "/sign-in", "set-cookie": identity.revoke()})

    return [form, sign_in, sign_out]
