"""People at the door: who a browser is, by a trusted proxy, a session or the token's cookie, and how one signs in."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from loopline.apps.access import may_of
from loopline.apps.auditing import Scribe
from loopline.apps.http.admission import Counted
from loopline.apps.http.caller import TOKEN, Caller
from loopline.apps.http.identity import Identity
from loopline.apps.http.origins import Origins
from loopline.apps.http.sessions import Session, Sessions
from loopline.apps.http.views import House
from loopline.apps.passwords import AT_ONCE, WAITING, Passwords
from loopline.apps.people import Actor, Change, Users, folded, roles_of
from loopline.apps.throttling import Throttle
from loopline.errors import Busy, Conflict
from loopline.records.people import User

T = TypeVar("T")
NOBODY_NEW: Final = "none"
"""The setting under which a proxy brings nobody who is not known."""


class Visit(NamedTuple):
    """A browser whose person is known."""

    caller: Caller
    session: Session | None = None
    """None for those who have no session of ours: brought by a proxy, or by the token's cookie."""


class Wrong(Exception):
    """Nobody signs in with this; what of it was wrong is not said."""


class Turned(Exception):
    """Somebody whom a proxy names and who may not come in; says why."""


class Reception:
    """Knows people. Reading is quick and waits for nothing, but for the first sight of somebody whom a proxy brings."""

    def __init__(self, house: House, *, identity: Identity, meter: Counted | None = None) -> None:
        settings, self._house, self._meter = house.settings, house, meter
        self.loop = settings.name
        self.identity = identity
        self.users = Users(house.ledger, loop=settings.name)
        self.origins = Origins(settings.people)
        self.scribe = Scribe(house.audit, loop=settings.name, now=house.clock.now)
        self.passwords = Passwords()
        self.sessions = Sessions(secret=identity.secret, loop=settings.name, cookie=identity.cookie)
        self._throttle, self._new = Throttle(), settings.people.role
        self._desk = ThreadPoolExecutor(AT_ONCE + WAITING + 6, thread_name_prefix="sign-in")

    def visit(self, scope: Mapping[str, Any], cookies: str) -> Visit | None:
        """Who asks; None for nobody. May wait for the ledger when ``is_first_sight``.

        Raises Turned for somebody whom a proxy brings and who may not come in, InvalidRecord for what is no name.
        """
        if name := self.origins.introduced(scope):
            return Visit(caller_for(self._brought(name)))
        if (session := self.sessions.read(cookies)) is not None:
            user = self.users.found(session.name)
            is_good = user is not None and user.disabled_at is None and user.epoch == session.epoch
            return Visit(caller_for(user), session) if user is not None and is_good else None
        return Visit(TOKEN) if self.identity.is_signed_in(cookies) else None

    def is_first_sight(self, scope: Mapping[str, Any]) -> bool:
        """Whether a proxy brings somebody who has to be entered first."""
        name = self.origins.introduced(scope)
        return bool(name) and self.users.meant(name) is None

    def sign_in(self, name: str, password: str, *, address: str) -> User:
        """The person whose name and password these are. Raises Wrong, and Busy after too many failures.

        A wrong name takes as long as a wrong password: both are held against a hash.
        """
        self._attempt(name, address, asked=name)
        user = self.users.meant(name)
        is_right = self._is_right(name, password, user, address=address)
        if user is None or not is_right or user.disabled_at is not None:
            self._refuse(name, address, "disabled" if is_right else "wrong name or password")
        self._throttle.succeeded(folded(name), address, time.monotonic())
        if self.passwords.is_outdated(user.password):
            self.users.rehash(user, self.passwords.hashed(password), at=self.now())
        self.scribe.note("signed in", actor=user.name, outcome="password", address=address)
        return user

    def change_password(self, user: User, old: str, new: str, *, address: str) -> User:
        """The person with another password, and no other session. Raises Wrong, Busy, InvalidRecord."""
        self._attempt(user.name, address, asked=user.name)
        if not self._is_right(user.name, old, user, address=address):
            self._refuse(user.name, address, "wrong password")
        self._throttle.succeeded(folded(user.name), address, time.monotonic())
        change, by = Change(password=self.passwords.hashed(new)), Actor(user.name, may_of(user.roles), is_owner=False)
        return self.users.change(user.name, change, by=by, at=self.now())

    def sign_out_everywhere(self, user: User, *, address: str) -> None:
        """End every session of this person."""
        by = Actor(user.name, may_of(user.roles), is_owner=False)
        self.users.change(user.name, Change(is_signed_out=True), by=by, at=self.now())
        self.scribe.note("signed out everywhere", actor=user.name, address=address)

    def take_token(self, token: str, *, address: str) -> None:
        """Nothing, when this is the installation's token. Raises Wrong and Busy as ``sign_in`` does."""
        self._attempt("", address, asked="token")
        if not self.identity.is_token(token.strip()):
            self._refuse(TOKEN.name, address, "wrong token")
        self._throttle.succeeded("", address, time.monotonic())
        self.scribe.note("signed in", actor=TOKEN.name, outcome="token", address=address)

    def take_link(self, token: str, *, address: str) -> None:
        """Nothing, when the link has the installation's token in it. Raises Wrong.

        Any page can have a browser here follow links, so wrong ones slow nobody down and fill no log. Guessing 192
        random bits leads nowhere either way.
        """
        if not self.identity.is_token(token):
            raise Wrong
        self.scribe.note("signed in", actor=TOKEN.name, outcome="token", address=address)

    async def aside(self, work: Callable[[], T]) -> T:
        """What the work gives, done by threads that nothing else waits for: checking passwords takes long."""
        return await asyncio.get_running_loop().run_in_executor(self._desk, copy_context().run, work)

    def refused(self, status: int) -> None:
        """Count somebody who did not get in; from the event loop's thread."""
        if self._meter is not None:
            self._meter.refused(status)

    def now(self) -> datetime:
        """The house's time."""
        return self._house.clock.now()

    def _attempt(self, name: str, address: str, *, asked: str) -> None:
        if wait := self._throttle.attempt(folded(name), address, time.monotonic()):
            reason = f"too many wrong attempts as {asked[:80]!r} or from here"
            raise Busy("sign-in", reason=reason, seconds=wait, is_callers=True)

    def _is_right(self, name: str, password: str, user: User | None, *, address: str) -> bool:
        try:
            return self.passwords.check(password, user.password if user else "")
        except Busy:  # nobody has looked at it: it was no wrong one
            self._throttle.take_back(folded(name), address, time.monotonic())
            raise

    def _refuse(self, name: str, address: str, outcome: str) -> NoReturn:
        self.scribe.note("refused", actor="", subject=name, outcome=outcome, address=address)
        raise Wrong

    def _brought(self, name: str) -> User:
        user = self.users.meant(name) or self._entered(name)
        if user.disabled_at is not None:
            raise Turned(f"user {user.name}: disabled, expected one that is not; ask who leads this loop")
        return user

    def _entered(self, name: str) -> User:
        if self._new == NOBODY_NEW:
            raise Turned(f"user {name}: not known here, expected one that is; ask who leads this loop to add them")
        user = User(loop=self.loop, name=name, roles=roles_of((self._new,)), made_at=self.now())
        try:
            self.users.add(user, by=Actor("proxy", frozenset(), is_owner=True))
        except Conflict:  # another request of theirs came first
            return self.users.meant(name) or user
        self.scribe.note("POST /api/users", actor="proxy", subject=name, outcome="201")
        return user


def caller_for(user: User) -> Caller:
    """The person as a caller."""
    return Caller(user.name, may_of(user.roles), user)
