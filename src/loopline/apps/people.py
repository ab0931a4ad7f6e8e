"""People who can sign in: what may be said of them, who may change whom, and how they stood a moment ago."""

import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime
from threading import RLock
from typing import Final, NamedTuple, get_args

import msgspec

from loopline.apps.access import FRESH_SECONDS, Need, may_of
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.ports.ledger import Ledger
from loopline.records.ids import CommandId, LoopName, uuid7
from loopline.records.keys import entity_of
from loopline.records.lineage import Activity, Entry, Event
from loopline.records.people import Role, User

ROLES: Final[tuple[Role, ...]] = get_args(Role)
LONGEST_NAME: Final = 64
MOST_WORDS, MOST_A_DAY = 50, 100_000
RESERVED: Final = frozenset({"token", "console", "proxy"})
"""Names under which others than people act."""
NAME: Final = re.compile(r"[^\W_][^/\\]*")


def user_name(given: str) -> str:
    """The name in its one spelling. Raises InvalidRecord for one that nobody can have.

    >>> user_name("Ana María"), user_name("ana@loop.example")
    ('Ana María', 'ana@loop.example')
    """
    name = unicodedata.normalize("NFC", given)
    is_name = len(name) <= LONGEST_NAME and is_line(name) and NAME.fullmatch(name)
    if not is_name or folded(name) in RESERVED or folded(name).startswith("lk_"):
        found = f"{given[:80]!r} ({len(given)} characters)"
        expected = f"1 to {LONGEST_NAME} printable characters without slashes, first a letter or digit"
        kept = f"{', '.join(sorted(RESERVED))} and lk_... are kept for others than people"
        raise InvalidRecord("name of the user", found=found, expected=expected, remedy=kept)
    return name


def is_line(text: str) -> bool:
    """Whether it is something in one line, without a blank at either end."""
    return bool(text) and text.isprintable() and text == text.strip()


def folded(name: str) -> str:
    """What two names are alike in when people would take them for one.

    >>> folded("  ANA  María "), folded("ana maría")
    ('ana maría', 'ana maría')
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def roles_of(given: Iterable[str]) -> tuple[Role, ...]:
    """The roles, once each and in one order. Raises InvalidRecord."""
    asked = tuple(given)
    if strays := sorted(set(asked).difference(ROLES)):
        raise InvalidRecord("role", found=repr(strays[0][:80]), expected=f"one of {', '.join(ROLES)}")
    if not asked:
        raise InvalidRecord("roles", found="none", expected=f"one or more of {', '.join(ROLES)}")
    return tuple(role for role in ROLES if role in asked)


def words_of(thing: str, given: Iterable[str]) -> tuple[str, ...]:
    """Skills or languages, once each. Raises InvalidRecord."""
    words = tuple(dict.fromkeys(given))
    bad = [word for word in words if not (is_line(word) and len(word) <= LONGEST_NAME)]
    if bad or len(words) > MOST_WORDS:
        found = repr(bad[0][:80]) if bad else f"{len(words)} of them"
        expected = f"at most {MOST_WORDS} of 1 to {LONGEST_NAME} printable characters, no blank at either end"
        raise InvalidRecord(thing, found=found, expected=expected)
    return words


def quota_of(given: int) -> int:
    """The quota. Raises InvalidRecord."""
    if not 0 <= given <= MOST_A_DAY:
        raise InvalidRecord("quota", found=str(given), expected=f"0 for any number, to {MOST_A_DAY:,} answers a day")
    return given


class Actor(NamedTuple):
    """Who changes something about people."""

    name: str
    may: frozenset[Need]
    is_owner: bool
    """Whether they showed the installation's own token: nothing is closed to them."""


VALUES: Final = ("roles", "password", "skills", "languages", "quota")


class Change(NamedTuple):
    """What is to change about a user; None: stays."""

    roles: tuple[Role, ...] | None = None
    password: str | None = None
    """The hash of a new one."""
    skills: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    quota: int | None = None
    is_disabled: bool | None = None
    is_signed_out: bool = False
    """Whether every session of theirs ends."""


class Forbidden(Exception):
    """What this actor may not do to this person; says why."""


class _View(NamedTuple):
    users: dict[str, User]
    by_fold: dict[str, User]


class Users:
    """The users of one loop, as they stood in the ledger a moment ago; changed one after the other.

    Reading never waits for the ledger; whoever owns the object calls ``refresh`` at least twice a second, so that
    whoever was disabled anywhere is out a second later. While the ledger cannot be read, those read last stand.
    """

    def __init__(self, ledger: Ledger, *, loop: LoopName, now: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._loop, self._now = ledger, loop, now
        self._view = _View({}, {})
        self._lock = RLock()
        self.reread()

    def refresh(self) -> None:
        """Read them anew, unless that was done less than ``FRESH_SECONDS`` ago."""
        if self._now() - self._read_at >= FRESH_SECONDS:
            self.reread()

    def reread(self) -> None:
        """Read them anew."""
        with self._lock:  # else a reading that began before a change could end after it
            self._read_at = self._now()
            users = {user.name: user for user in self._ledger.all(User, self._loop)}
            if users != self._view.users:
                self._view = _View(users, {folded(name): user for name, user in users.items()})

    def all(self) -> tuple[User, ...]:
        """Every user, disabled ones too, oldest first."""
        return tuple(self._view.users.values())

    def found(self, name: str) -> User | None:
        """The user of exactly this name."""
        return self._view.users.get(name)

    def meant(self, typed: str) -> User | None:
        """The user whom somebody means who typed this: capitals and blanks do not count."""
        return self._view.by_fold.get(folded(typed))

    def require_new(self, user: User, *, by: Actor) -> None:
        """Raise Conflict when the name is taken, Forbidden for roles that open what is closed to ``by``."""
        require_power(by, user.roles)
        if known := self.meant(user.name):
            raise Conflict(f"user {user.name}", found=f"{known.name!r} there already", expected="a new name")

    def add(self, user: User, *, by: Actor) -> User:
        """The new user, stored. Raises as ``require_new`` does."""
        with self._lock:
            self.reread()
            self.require_new(user, by=by)
            self._keep(user, act="made", by=by, told=f": {', '.join(user.roles)}", at=user.made_at)
        return user

    def change(self, name: str, change: Change, *, by: Actor, at: datetime) -> User:
        """The user, changed and stored; another role, password or standing ends their sessions.

        Raises NotFound, and Forbidden for what ``by`` may not do: change whoever has more than they have, give what
        they do not have, disable themselves, take a role of their own, or take the last engineer away.
        """
        with self._lock:
            self.reread()
            user = self.found(name)
            if user is None:
                raise NotFound("user", name, known=tuple(sorted(self._view.users)))
            changed = after(user, change, at=at)
            self._require_allowed(user, changed, by=by)
            if changed == user:
                return user
            self._keep(changed, act="changed", by=by, told=f": {difference(user, changed)}", at=at)
        return changed

    def rehash(self, user: User, password: str, *, at: datetime) -> None:
        """Keep the same password under the parameters of today; no session ends, and nothing is told of it."""
        with self._lock:
            self.reread()
            known = self.found(user.name)
            if known is not None and known.password == user.password:
                fresh = msgspec.structs.replace(known, password=password)
                by = Actor(user.name, frozenset(), False)
                self._keep(fresh, act="changed", by=by, told=": hash of the password", at=at)

    def _require_allowed(self, user: User, changed: User, *, by: Actor) -> None:
        if by.is_owner:
            return
        require_power(by, user.roles)
        require_power(by, changed.roles)
        is_less = changed.disabled_at is not None or not set(user.roles) <= set(changed.roles)
        if by.name == user.name and is_less:
            raise Forbidden(f"user {user.name}: nobody takes a role or the way in from themselves; ask another")
        others = (one for one in self.all() if one.name != user.name)
        if "engineer" in user.roles and is_less and not any(map(is_engineer, others)):
            raise Forbidden(f"user {user.name}: the last engineer stays; make another first")

    def _keep(self, user: User, *, act: str, by: Actor, told: str, at: datetime) -> None:
        command = CommandId(f"{user.loop}/user/{_new_id(at)}")
        activity = Activity(
            id=command, loop=user.loop, kind="People", cycle=0, started=at, ended=at, actor=by.name, used=(),
            generated=(entity_of(user),),
        )  # fmt: skip
        event = Event(
            id=f"{command}/event", type=f"user.{act}", source=f"/loops/{user.loop}", subject=command, time=at,
            text=f"user {user.name!r} was {act} by {by.name}{told}",
        )  # fmt: skip
        self._ledger.commit(Entry(id=command, records=(user,), activity=activity, events=(event,)))
        self.reread()


def is_engineer(user: User) -> bool:
    """Whether they can run the loop now."""
    return "engineer" in user.roles and user.disabled_at is None


def require_power(by: Actor, roles: Iterable[Role]) -> None:
    """Raise Forbidden when these roles open what is closed to ``by``."""
    if not by.is_owner and (beyond := may_of(roles) - by.may):
        names = ", ".join(sorted(beyond))
        raise Forbidden(f"role {'/'.join(roles)}: it opens {names}, expected no more than is open to you")


def after(user: User, change: Change, *, at: datetime) -> User:
    """The user as the change makes them."""
    told = {name: getattr(change, name) for name in VALUES if getattr(change, name) is not None}
    if change.is_disabled is not None and change.is_disabled != (user.disabled_at is not None):
        told["disabled_at"] = at if change.is_disabled else None
    changed = msgspec.structs.replace(user, **told)
    was, is_now = ((one.roles, one.password, one.disabled_at) for one in (user, changed))
    if was != is_now or change.is_signed_out:
        changed = msgspec.structs.replace(changed, epoch=user.epoch + 1)
    return changed


def difference(user: User, changed: User) -> str:
    """What changed, without the secret of it.

    >>> from datetime import UTC
    >>> ana = User(loop="mood", name="ana", roles=("annotator",), made_at=datetime(2026, 1, 5, tzinfo=UTC))
    >>> difference(ana, msgspec.structs.replace(ana, roles=("lead",), password="$argon2id$...", epoch=1))
    'roles lead, another password, signed out everywhere'
    """
    told = []
    for field in ("roles", "skills", "languages"):
        if getattr(user, field) != getattr(changed, field):
            told.append(f"{field} {', '.join(getattr(changed, field)) or 'none'}")
    if user.quota != changed.quota:
        told.append(f"quota {changed.quota}")
    if user.password != changed.password:
        told.append("another password")
    if (user.disabled_at is None) != (changed.disabled_at is None):
        told.append("enabled" if changed.disabled_at is None else "disabled")
    if user.epoch != changed.epoch:
        told.append("signed out everywhere")
    return ", ".join(told)


def _new_id(at: datetime) -> str:
    return uuid7(now_ms=int(at.timestamp() * 1_000), randomness=secrets.token_bytes(10))
