"""``/api/keys``: make a key and see it once, list those there are, revoke one."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, delete, get, post
from litestar.exceptions import PermissionDeniedException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from loopline.apps import access
from loopline.apps.http.answering import identified
from loopline.apps.http.answers import strictly
from loopline.apps.http.caller import caller_of
from loopline.apps.http.views import House
from loopline.records.access import ApiKey, Scope


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a key."""

    name: str
    """Whose it will be, in words."""
    scopes: tuple[str, ...]
    per_second: float = 0.0
    """Requests a second that it may make; 0: any number."""


class ShownKey(msgspec.Struct, frozen=True, kw_only=True):
    """What may be seen of a key: all but what it is checked against."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    per_second: float
    made_at: datetime
    revoked_at: datetime | None


class MadeKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key."""

    key: ShownKey
    secret: str
    """The key itself, to be sent as ``Authorization: Bearer ...``: this answer is the only one that tells it."""


def shown(key: ApiKey) -> ShownKey:
    """What may be seen of it."""
    return ShownKey(
        id=key.id,
        name=key.name,
        scopes=key.scopes,
        per_second=key.per_second,
        made_at=key.made_at,
        revoked_at=key.revoked_at,
    )


def key_routes(house: House, *, keys: access.Keys) -> list[HTTPRouteHandler]:
    """The routes of the house's keys; what they change holds at this door at once, at others within a second."""
    ledger, loop = house.ledger, house.settings.name

    @get("/api/keys", sync_to_thread=True)
    def listed() -> tuple[ShownKey, ...]:
        """Every key, revoked ones too, oldest first."""
        return tuple(shown(key) for key in ledger.all(ApiKey, loop))

    @post("/api/keys", sync_to_thread=True, before_request=strictly(NewKey))
    def add(request: Request[Any, Any, Any], data: JSONBody[NewKey]) -> MadeKey:
        """Make a key. It may do no more than whoever asks for it."""
        at = house.clock.now()
        minted = access.mint(data.name, loop=loop, scopes=data.scopes, per_second=data.per_second, at=at)
        may = caller_of(request).may
        if beyond := [scope for scope in minted.key.scopes if scope not in may]:
            has = ", ".join(scope for scope in access.SCOPES if scope in may) or "none"
            raise PermissionDeniedException(f"scope {beyond[0]} asked for, expected one that you have: {has}")
        access.keep(minted.key, ledger=ledger)
        keys.reread()
        return MadeKey(key=shown(minted.key), secret=minted.shown)

    @delete("/api/keys/{name:str}", sync_to_thread=True, status_code=200)
    def revoke(name: FromPath[str]) -> ShownKey:
        """Make a key worthless. Once revoked, it stays so."""
        key = access.revoke(identified("key", name), ledger=ledger, loop=loop, at=house.clock.now())
        keys.reread()
        return shown(key)

    return [listed, add, revoke]
