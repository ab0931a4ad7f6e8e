"""The pages of whoever leads: users, and the audit log."""

import asyncio
from typing import Annotated, Any, Final

from litestar import Request, Response, get, post
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from loopline.apps.access import may_of
from loopline.apps.http.caller import about, caller_of
from loopline.apps.http.errors import status_of
from loopline.apps.http.oversight import NewUser, UserChange, acts, added, changed
from loopline.apps.http.reception import Reception
from loopline.apps.http.views import House
from loopline.apps.people import ROLES
from loopline.apps.web.render import page
from loopline.apps.web.signing import FORM_BYTES
from loopline.errors import InvalidRecord, LooplineError

Html = Response[Any]
AnyRequest = Request[Any, Any, Any]
LEAF: Final = 100
"""Acts on one page."""


def people_page_routes(house: House, people: Reception) -> list[HTTPRouteHandler]:
    """Users, with the forms that change them, and the audit log."""
    return [*_users_routes(people), _audit_route(house)]


def _users_routes(people: Reception) -> list[HTTPRouteHandler]:
    loop = people.loop

    def users_page(request: AnyRequest, *, change: str, status: int = 200, problem: str = "") -> Html:
        """Everybody, and what may be done about them."""
        may, everybody = caller_of(request).may, people.users.all()
        return page(
            "users.html", status=status, here="people", loop_name=loop, users=everybody, problem=problem,
            granted=[role for role in ROLES if may_of([role]) <= may],
            within={user.name for user in everybody if may_of(user.roles) <= may},
            one=next((user for user in everybody if user.name == change and may_of(user.roles) <= may), None),
        )  # fmt: skip

    async def acted(request: AnyRequest, form: Any, name: str) -> Html:
        """The list again after what the form asked for, or what is wrong with it."""
        try:
            work = _change(people, request, form, name) if name else _add(people, request, form)
            await asyncio.to_thread(work)
        except LooplineError as error:
            return users_page(request, change=name, status=status_of(error), problem=str(error))
        except PermissionDeniedException as error:
            return users_page(request, change=name, status=403, problem=error.detail)
        return Response(None, status_code=303, headers={"location": "/users"})

    @get("/users", sync_to_thread=False, include_in_schema=False)
    def users(request: AnyRequest, change: FromQuery[str] = "") -> Html:
        """Everybody who can sign in, and the forms that change one of them."""
        return users_page(request, change=change)

    @post("/users", include_in_schema=False, request_max_body_size=FORM_BYTES)
    async def add(request: AnyRequest) -> Html:
        """Add somebody."""
        return await acted(request, await request.form(), "")

    @post("/users/{name:str}", include_in_schema=False, request_max_body_size=FORM_BYTES)
    async def keep(request: AnyRequest, name: FromPath[str]) -> Html:
        """Change somebody."""
        return await acted(request, await request.form(), name)

    return [users, add, keep]


def _audit_route(house: House) -> HTTPRouteHandler:
    loop = house.settings.name

    @get("/audit", sync_to_thread=True, include_in_schema=False)
    def audit(
        actor: Annotated[str, QueryParameter(name="actor")] = "",
        before: Annotated[str, QueryParameter(name="before")] = "",
    ) -> Html:
        """Who did what, newest first."""
        asked = actor.strip()[:128]
        found = acts(house, newest=LEAF + 1, actor=asked, before=before)
        return page(
            "audit.html", here="people", loop_name=loop, acts=found[:LEAF], actor=asked, is_later=bool(before),
            older=found[LEAF - 1].id if len(found) > LEAF else "",
        )  # fmt: skip

    return audit


def _add(people: Reception, request: AnyRequest, form: Any) -> Any:
    asked = NewUser(
        name=str(form.get("name", "")),
        roles=tuple(map(str, form.getall("roles", []))),
        password=str(form.get("password", "")),
    )
    about(request, asked.name)
    return lambda: added(people, asked, by=caller_of(request))


def _change(people: Reception, request: AnyRequest, form: Any, name: str) -> Any:
    match form.get("act"):
        case "disable" | "enable" as act:
            asked = UserChange(is_disabled=act == "disable")
        case "sign out":
            asked = UserChange(is_signed_out=True)
        case "password":
            asked = UserChange(password=str(form.get("password", "")))
        case "keep":
            asked = UserChange(
                roles=tuple(map(str, form.getall("roles", []))),
                skills=_words(form.get("skills", "")),
                languages=_words(form.get("languages", "")),
                quota=_number(form.get("quota", "")),
            )
        case other:
            expected = "disable, enable, sign out, password or keep"
            raise InvalidRecord("act", found=repr(str(other)[:40]), expected=expected)
    return lambda: changed(people, name, asked, by=caller_of(request))


def _words(text: Any) -> tuple[str, ...]:
    return tuple(word for part in str(text).split(",") if (word := part.strip()))


def _number(text: Any) -> int:
    said = str(text).strip()
    if said and not (said.isascii() and said.isdecimal() and len(said) < 10):
        raise InvalidRecord("quota", found=repr(said[:40]), expected="a whole number, 0 for any number of answers")
    return int(said or 0)
