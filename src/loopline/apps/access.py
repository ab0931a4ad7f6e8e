"""Keys that programs show: how they are made, checked and revoked, and what each of them may do now."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from threading import Lock
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from loopline import __version__
from loopline.errors import InvalidRecord
from loopline.ports.ledger import Ledger
from loopline.records.access import ApiKey, Scope
from loopline.records.ids import CommandId, LoopName
from loopline.records.keys import entity_of
from loopline.records.lineage import Activity, Entry, Event
from loopline.records.people import Role

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
Need = Scope | Literal["metadata"]
"""What a request needs: one scope; ``metadata`` of the models is open to ``predict`` and to ``read``."""
ALL: Final[frozenset[Need]] = frozenset({*SCOPES, "metadata"})
MEANS: Final[Mapping[Need, frozenset[Need]]] = {
    "predict": frozenset({"metadata"}),
    "read": frozenset({"metadata"}),
    "control": frozenset({"annotate", "adjudicate", "lead"}),
}
"""What comes with a scope, beside itself."""
ROLES: Final[Mapping[Role, frozenset[Need]]] = {
    "annotator": frozenset({"annotate"}),
    "adjudicator": frozenset({"annotate", "adjudicate"}),
    "lead": frozenset({"annotate", "adjudicate", "lead", "read", "metadata"}),
    "engineer": ALL,
    "viewer": frozenset({"read", "metadata"}),
}
"""What each role opens."""
SHOWN: Final = re.compile(rb"(lk_[0-9a-f]{12})_([0-9a-f]{64})")
BEARER: Final = b"Bearer "
FRESH_SECONDS: Final = 0.5
"""A refresh within this time of the last one reads nothing."""
LONGEST_NAME: Final = 64
NOBODYS: Final = hashlib.sha256(b"").hexdigest()
"""What the secret of an unknown key is held against, so that it takes as long as with a known one."""


class Minted(NamedTuple):
    """A new key."""

    key: ApiKey
    shown: str
    """The key itself, ``lk_<id>_<secret>``: shown once, kept nowhere."""


def mint(name: str, *, loop: LoopName, scopes: Iterable[str], per_second: float, at: datetime) -> Minted:
    """A new key with these scopes and 256 random bits. Raises InvalidRecord."""
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        found = f"{name[:80]!r} ({len(name)} characters)"
        expected = f"1 to {LONGEST_NAME} printable characters, no blank at either end"
        raise InvalidRecord("name of the key", found=found, expected=expected)
    asked = frozenset(scopes)
    if strays := sorted(asked.difference(SCOPES)):
        raise InvalidRecord("scope", found=repr(strays[0][:80]), expected=f"one of {', '.join(SCOPES)}")
    public, secret = f"lk_{secrets.token_hex(6)}", secrets.token_hex(32)
    key = ApiKey(
        id=public,
        loop=loop,
        name=name,
        scopes=tuple(scope for scope in SCOPES if scope in asked),
        secret=hashlib.sha256(secret.encode()).hexdigest(),
        made_at=at,
        per_second=per_second,
    )
    return Minted(key, f"{public}_{secret}")


def keep(key: ApiKey, *, ledger: Ledger) -> None:
    """Store a key as it is now, made or revoked, with its lineage and its event. Idempotent."""
    act, at = ("revoked", key.revoked_at) if key.revoked_at else ("made", key.made_at)
    command = CommandId(f"{key.loop}/key/{key.id}/{act}")
    pace = f", at most {key.per_second:g} requests a second" if key.per_second else ""
    told = f"key {key.id} of {key.name!r} was {act}" + (f": {', '.join(key.scopes)}{pace}" if act == "made" else "")
    activity = Activity(
        id=command,
        loop=key.loop,
        kind="Keys",
        cycle=0,
        started=at,
        ended=at,
        actor=f"loopline {__version__}",
        used=(),
        generated=(entity_of(key),),
    )
    source = f"/loops/{key.loop}"
    event = Event(id=f"{command}/event", type=f"key.{act}", source=source, subject=command, time=at, text=told)
    ledger.commit(Entry(id=command, records=(key,), activity=activity, events=(event,)))


def revoke(name: str, *, ledger: Ledger, loop: LoopName, at: datetime) -> ApiKey:
    """The key, from now on worth nothing; one that was revoked stays as it is. Raises NotFound."""
    key = ledger.get(ApiKey, name, loop=loop)
    if key.revoked_at is None:
        key = msgspec.structs.replace(key, revoked_at=at)
        keep(key, ledger=ledger)
    return key


class Bucket:
    """A key's allowance: so many requests a second, over a burst of as many, and of one at least."""

    __slots__ = ("_at", "_burst", "_left", "per_second")

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._burst = self._left = max(1.0, per_second)
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take one request: 0, or the seconds until there is one to take. ``now``: seconds of any clock.

        >>> bucket = Bucket(2.0)
        >>> [bucket.take(100.0) for _ in range(3)], bucket.take(100.5)
        ([0.0, 0.0, 0.5], 0.0)
        """
        left = self._left
        if now > self._at:
            left = min(self._burst, left + (now - self._at) * self.per_second)
            self._at = now
        self._left = left - 1.0 if left >= 1.0 else left
        return 0.0 if left >= 1.0 else (1.0 - left) / self.per_second

    def give_back(self) -> None:
        """Put back the request that was taken last.

        >>> bucket = Bucket(1.0)
        >>> bucket.take(100.0), bucket.give_back(), bucket.take(100.0), bucket.take(100.0)
        (0.0, None, 0.0, 1.0)
        """
        self._left = min(self._burst, self._left + 1.0)


class Grant(NamedTuple):
    """What the holder of a header may do."""

    key: str
    """Its public id; ``token`` for the installation's own token."""
    may: frozenset[Need]
    bucket: Bucket | None
    """None: any number of requests."""


EVERYTHING: Final = Grant("token", ALL, None)
"""Of the installation's own token, and of a browser that showed it."""


class _View(NamedTuple):
    """The keys as they were read together, and the headers seen since."""

    keys: dict[str, ApiKey]
    grants: dict[bytes, Grant]


class Keys:
    """The keys of one loop, as they stood in the ledger a moment ago.

    ``granted`` never waits for the ledger; whoever owns the object calls ``refresh`` from a thread of its own, at
    least twice a second, so that a key that was revoked anywhere opens nothing a second later. While the ledger cannot
    be read, the keys read last stand.
    """

    def __init__(self, ledger: Ledger, *, loop: LoopName, now: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._loop, self._now = ledger, loop, now
        self._view = _View({}, {})
        self._buckets: dict[str, Bucket] = {}
        self._reading = Lock()
        self.reread()

    def refresh(self) -> None:
        """Read the keys anew, unless that was done less than ``FRESH_SECONDS`` ago."""
        if self._now() - self._read_at >= FRESH_SECONDS:
            self.reread()

    def reread(self) -> None:
        """Read the keys anew."""
        with self._reading:  # else one that began before a key was revoked could end after it
            self._read_at = self._now()
            keys = {key.id: key for key in self._ledger.all(ApiKey, self._loop)}
            if keys != self._view.keys:
                self._view = _View(keys, {})  # headers are checked again: their keys may have changed

    def granted(self, authorization: bytes) -> Grant | None:
        """What this ``Authorization`` header may do; None when it holds no key that is worth something.

        A header that was good before is found by its exact bytes. Python finds bytes by a keyed hash of the whole, so
        the time it takes tells nothing of how much of a wrong one was right.
        """
        view = self._view
        return view.grants.get(authorization) or self._first_seen(authorization, view)

    def holds(self, authorization: bytes) -> ApiKey | None:
        """The key that this header holds with its right secret, revoked or not; None for all else."""
        return _held(authorization, self._view.keys)

    def all(self) -> tuple[ApiKey, ...]:
        """Every key, revoked ones too, oldest first."""
        return tuple(self._view.keys.values())

    def _first_seen(self, authorization: bytes, view: _View) -> Grant | None:
        key = _held(authorization, view.keys)
        if key is None or key.revoked_at is not None:
            return None
        grant = Grant(key.id, opened_by(key.scopes), self._bucket(key))
        if authorization.startswith(BEARER) and SHOWN.fullmatch(authorization, len(BEARER)):
            view.grants[authorization] = grant  # one spelling a key: nobody can fill this with blanks and capitals
        return grant

    def _bucket(self, key: ApiKey) -> Bucket | None:
        if not key.per_second:
            return None
        return self._buckets.setdefault(key.id, Bucket(key.per_second))


def opened_by(scopes: Iterable[Scope]) -> frozenset[Need]:
    """What a key with these scopes opens.

    >>> sorted(opened_by(["read"])), sorted(opened_by(["control"]))
    (['metadata', 'read'], ['adjudicate', 'annotate', 'control', 'lead'])
    """
    own = frozenset[Need](scopes)
    return own.union(*(MEANS.get(one, frozenset()) for one in own))


def may_of(roles: Iterable[Role]) -> frozenset[Need]:
    """What somebody with these roles opens.

    >>> sorted(may_of(["annotator", "viewer"]))
    ['annotate', 'metadata', 'read']
    """
    return frozenset[Need]().union(*(ROLES[role] for role in roles))


def roles_for(need: Need) -> tuple[Role, ...]:
    """Who it is open to.

    >>> roles_for("adjudicate"), roles_for("control")
    (('adjudicator', 'lead', 'engineer'), ('engineer',))
    """
    return tuple(role for role, may in ROLES.items() if need in may)


def closed_to(name: str, need: Need, roles: Iterable[Role]) -> str:
    """Why somebody who signed in goes no further.

    >>> closed_to("ana", "lead", ["annotator"])
    'ana: is annotator, expected lead or engineer; ask who leads this loop'
    """
    return f"{name}: is {', '.join(roles)}, expected {' or '.join(roles_for(need))}; ask who leads this loop"


def bearer(authorization: bytes | None) -> bytes:
    """What an ``Authorization`` header bears; empty when it bears nothing.

    >>> bearer(b"bearer  abc "), bearer(b"Basic abc"), bearer(None)
    (b'abc', b'', b'')
    """
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return b""
    return authorization[7:].strip()


def _held(authorization: bytes, keys: dict[str, ApiKey]) -> ApiKey | None:
    shown = SHOWN.fullmatch(bearer(authorization))
    if shown is None:
        return None
    key = keys.get(shown[1].decode())
    given = hashlib.sha256(shown[2]).hexdigest()
    is_right = hmac.compare_digest(given, key.secret if key else NOBODYS)
    return key if is_right else None
