"""``/api/users`` and ``/api/audit``: who may come in, and who did what."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, get, patch, post
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from loopline.apps.http.answering import written
from loopline.apps.http.answers import between, strictly
from loopline.apps.http.caller import CONSOLE, TOKEN, Caller, about, caller_of
from loopline.apps.http.reception import Reception
from loopline.apps.http.views import House
from loopline.apps.people import Actor, Change, Forbidden, quota_of, roles_of, user_name, words_of
from loopline.records.people import Act, Role, User

MOST_ACTS = 1_000
LONGEST = 128
"""Characters of a name or an id in an address."""


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who is to sign in."""

    name: str
    """What their answers carry."""
    roles: tuple[str, ...]
    password: str = ""
    """10 to 200 characters; empty: they come through the proxy that signs people in."""
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    quota: int = 0
    """Most answers in a UTC day; 0: any number."""


class UserChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change; null: stays."""

    roles: tuple[str, ...] | None = None
    password: str | None = None
    skills: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    quota: int | None = None
    is_disabled: bool | None = None
    is_signed_out: bool | None = None
    """True ends every session of theirs."""


class ShownUser(msgspec.Struct, frozen=True, kw_only=True):
    """What may be seen of a user: all but what their password is checked against."""

    name: str
    roles: tuple[Role, ...]
    skills: tuple[str, ...]
    languages: tuple[str, ...]
    quota: int
    has_password: bool
    made_at: datetime
    disabled_at: datetime | None


def shown(user: User) -> ShownUser:
    """What may be seen of them."""
    return ShownUser(
        name=user.name,
        roles=user.roles,
        skills=user.skills,
        languages=user.languages,
        quota=user.quota,
        has_password=bool(user.password),
        made_at=user.made_at,
        disabled_at=user.disabled_at,
    )


def actor_of(caller: Caller) -> Actor:
    """The caller, as whoever changes something about people."""
    return Actor(caller.name, caller.may, is_owner=caller in (TOKEN, CONSOLE))


@contextmanager
def allowed() -> Iterator[None]:
    """What people may not do to each other is answered with 403."""
    try:
        yield
    except Forbidden as error:
        raise PermissionDeniedException(str(error)) from error


def added(people: Reception, asked: NewUser, *, by: Caller) -> User:
    """The new user, stored. Raises InvalidRecord, Conflict, PermissionDeniedException."""
    user = User(
        loop=people.loop,
        name=user_name(asked.name),
        roles=roles_of(asked.roles),
        skills=words_of("skill", asked.skills),
        languages=words_of("language", asked.languages),
        quota=quota_of(asked.quota),
        made_at=people.now(),
    )
    with allowed():
        people.users.require_new(user, by=actor_of(by))
        hashed = people.passwords.hashed(asked.password) if asked.password else ""
        return people.users.add(msgspec.structs.replace(user, password=hashed), by=actor_of(by))


def changed(people: Reception, name: str, asked: UserChange, *, by: Caller) -> User:
    """The user, changed and stored. Raises InvalidRecord, NotFound, PermissionDeniedException."""
    change = Change(
        roles=None if asked.roles is None else roles_of(asked.roles),
        password=None if asked.password is None else people.passwords.hashed(asked.password),
        skills=None if asked.skills is None else words_of("skill", asked.skills),
        languages=None if asked.languages is None else words_of("language", asked.languages),
        quota=None if asked.quota is None else quota_of(asked.quota),
        is_disabled=asked.is_disabled,
        is_signed_out=bool(asked.is_signed_out),
    )
    with allowed():
        return people.users.change(name, change, by=actor_of(by), at=people.now())


def user_routes(people: Reception) -> list[HTTPRouteHandler]:
    """The routes of users; what they change holds at this door at once, at others within a second."""

    @get("/api/users", sync_to_thread=False)
    def listed() -> tuple[ShownUser, ...]:
        """Everybody who can sign in, disabled ones too, oldest first."""
        return tuple(map(shown, people.users.all()))

    @post("/api/users", sync_to_thread=True, before_request=strictly(NewUser))
    def add(request: Request[Any, Any, Any], data: JSONBody[NewUser]) -> ShownUser:
        """Add somebody. They get no role that opens more than is open to whoever asks."""
        about(request, data.name)
        return shown(added(people, data, by=caller_of(request)))

    @patch("/api/users/{name:str}", sync_to_thread=True, before_request=strictly(UserChange))
    def change(request: Request[Any, Any, Any], name: FromPath[str], data: JSONBody[UserChange]) -> ShownUser:
        """Change somebody. Another password, role or standing ends their sessions."""
        return shown(changed(people, name, data, by=caller_of(request)))

    return [listed, add, change]


def acts(house: House, *, newest: int, actor: str, before: str) -> tuple[Act, ...]:
    """The latest acts, newest first; of one actor; those before the act of an id. Raises InvalidRecord."""
    who, place = (written(thing, text[:LONGEST], most=LONGEST) for thing, text in (("actor", actor), ("act", before)))
    return house.audit.read(house.settings.name, newest=newest, actor=who, before=place)


def audit_routes(house: House) -> list[HTTPRouteHandler]:
    """The route of the audit log."""

    @get("/api/audit", sync_to_thread=True)
    def audit(
        newest: Annotated[int, QueryParameter(name="newest")] = 100,
        actor: Annotated[str, QueryParameter(name="actor")] = "",
        before: Annotated[str, QueryParameter(name="before")] = "",
    ) -> tuple[Act, ...]:
        """The latest acts, newest first; of one actor; those before the act of an id."""
        most = between("newest", newest, MOST_ACTS)
        return acts(house, newest=most, actor=actor, before=before)

    return [audit]
