"""The one rule about who may do what: for the dispatcher, and for the short way to the models that passes it by."""

import math
import re
from typing import Final, NamedTuple, Protocol

from loopline.apps.access import BEARER, EVERYTHING, SCOPES, Bucket, Grant, Keys, Need, bearer
from loopline.apps.http.errors import Headers, headers_of, status_of
from loopline.apps.http.identity import SAFE_METHODS, Identity
from loopline.apps.http.targets import target_of
from loopline.errors import Busy, NotFound

REPORTED: Final = ("/v1/predictions", "/v1/outcomes")
UNKNOWN: Final = "token: found none, expected 'Authorization: Bearer ...' or a sign-in"
HOSTS_KEPT: Final = 64
"""Spellings of our own names that are known by sight."""
CHALLENGE: Final[Headers] = ((b"www-authenticate", b'Bearer realm="loopline"'),)


class Refusal(NamedTuple):
    """Why a request goes no further."""

    status: int
    sentence: str
    headers: Headers = ()


class Counted(Protocol):
    """Counts refusals; ``meter.Meter`` does."""

    def refused(self, status: int) -> None:
        """One more with this status."""
        ...


def lies_under(path: str, *roots: str) -> bool:
    """Whether a path is one of these roots, or below one.

    >>> lies_under("/v2/models", "/v2"), lies_under("/v22", "/v2")
    (True, False)
    """
    return any(path == root or path.startswith(f"{root}/") for root in roots)


SLASHES: Final = re.compile("/{2,}")


def routed(path: str) -> str:
    """The path as the application looks it up: slashes in a row are one, and none is at its end.

    >>> routed("//api//users/"), routed("/")
    ('/api/users', '')
    """
    return SLASHES.sub("/", path).rstrip("/")


PEOPLES: Final[tuple[tuple[Need, tuple[str, ...]], ...]] = (
    (
        "annotate",
        ("/annotate", "/api/claim", "/api/annotations", "/api/skip", "/api/undo", "/api/hold", "/api/me"),
    ),
    ("adjudicate", ("/adjudicate", "/api/adjudicate", "/api/bulk")),
    (
        "lead",
        ("/people", "/api/people", "/api/agreement", "/api/users", "/users", "/guideline", "/api/guideline",
         "/api/remarks", "/api/tasks", "/audit", "/api/audit"),
    ),
    ("control", ("/api/keys",)),
)  # fmt: skip
"""What lies at and below these paths needs, whatever is done with it."""
SHOWN_TO_ANNOTATORS: Final = re.compile(r"/api/guideline|/api/tasks/[^/]+/input")
"""What whoever answers tasks may look at, among what a lead looks after."""


def need_of(method: str, path: str) -> Need:
    """What a request needs, whether or not there is such a route: what is not known to be harmless needs ``control``.

    >>> need_of("POST", "/v2/models/sentiment/infer"), need_of("GET", "/cycles"), need_of("POST", "/api/tick")
    ('predict', 'read', 'control')
    >>> need_of("GET", "/api/guideline"), need_of("PUT", "/api/guideline")
    ('annotate', 'lead')
    """
    path = path.rstrip("/")
    if lies_under(path, *REPORTED):
        return "capture"
    if lies_under(path, "/v1", "/v2"):
        return _need_of_protocol(method, path)
    path = routed(path)
    is_safe = method in SAFE_METHODS
    if is_safe and SHOWN_TO_ANNOTATORS.fullmatch(path):
        return "annotate"
    otherwise: Need = "read" if is_safe or path == "/api/query" else "control"
    return next((need for need, roots in PEOPLES if lies_under(path, *roots)), otherwise)


def _need_of_protocol(method: str, path: str) -> Need:
    try:
        act = target_of(path).act
    except NotFound:
        act = "unknown"
    if act in {"infer", "predict"}:
        return "predict"
    is_harmless = method in SAFE_METHODS or act == "index"
    return "metadata" if is_harmless and act not in {"load", "unload"} else "control"


class Admission:
    """Judges requests by their headers alone; made for one thread, the event loop's."""

    def __init__(self, identity: Identity, *, keys: Keys | None = None, meter: Counted | None = None) -> None:
        self._identity, self._keys, self._meter = identity, keys, meter
        self._hosts: set[bytes] = set()
        self._own: dict[bytes | None, Grant] = {}
        if identity.token:
            self._own[BEARER + identity.token.encode()] = EVERYTHING

    def admit(self, authorization: bytes | None, host: bytes, scope: Need, now: float) -> Refusal | None:
        """None, or why this request is refused; it is counted then. ``now``: seconds of a clock that never goes back.

        ``authorization``, ``host``: those headers as they came. A header seen before costs two or three looks into
        dictionaries; any other is compared in constant time.
        """
        if host not in self._hosts and (foreign := self.misdirected(host)):
            return foreign
        grant = self._own.get(authorization) or self.granted(authorization)
        if grant is None:
            return self.refuse(401, self._wrong(authorization), CHALLENGE)
        if scope not in grant.may:
            return self._out_of_scope(grant, scope)
        if grant.bucket is not None and (wait := grant.bucket.take(now)):
            return self._too_often(grant.key, grant.bucket, wait)
        return None

    def give_back(self, authorization: bytes) -> None:
        """Uncount a request that was admitted, and goes another way on which it is judged again."""
        grant = self.granted(authorization)
        if grant is not None and grant.bucket is not None:
            grant.bucket.give_back()

    def misdirected(self, host: bytes) -> Refusal | None:
        """None when this ``Host`` header names us, else why not: a foreign name is a rebound DNS entry."""
        if host in self._hosts:
            return None
        name = host.decode("latin-1")
        if self._identity.answers_to(name):
            if len(self._hosts) < HOSTS_KEPT:
                self._hosts.add(host)
            return None
        ours = " or ".join(sorted(self._identity.hosts) or ("localhost", "127.0.0.1"))
        text = f"host: found {name[:100]!r}, expected {ours}; call this server by one of its own names"
        return self.refuse(421, text)

    def granted(self, authorization: bytes | None) -> Grant | None:
        """What the bearer of this header may do; None when it bears nothing that opens anything."""
        if authorization is None:
            return None
        if self._keys is not None and (grant := self._keys.granted(authorization)):
            return grant
        return EVERYTHING if self._identity.is_token(bearer(authorization).decode("latin-1")) else None

    def refuse(self, status: int, sentence: str, headers: Headers = ()) -> Refusal:
        """A refusal, counted."""
        if self._meter is not None:
            self._meter.refused(status)
        return Refusal(status, sentence, headers)

    def _wrong(self, authorization: bytes | None) -> str:
        shown = bearer(authorization)
        if authorization is None or not shown:
            return UNKNOWN
        if not shown.startswith(b"lk_"):
            return "token: found a wrong one, expected the one printed at start"
        key = self._keys.holds(authorization) if self._keys else None
        if key is None:
            return "key: found a wrong one, expected one that 'loopline keys add' made for this loop"
        return f"key {key.id}: revoked, expected one that is not; make another: loopline keys add"

    def _out_of_scope(self, grant: Grant, scope: Need) -> Refusal:
        wanted = "predict or read" if scope == "metadata" else scope
        has = ", ".join(one for one in SCOPES if one in grant.may)
        flag = wanted.partition(" ")[0]
        text = f"key {grant.key}: has scope {has}, expected {wanted}; make another: loopline keys add --scope {flag}"
        challenge = f'Bearer realm="loopline", error="insufficient_scope", scope="{flag}"'
        return self.refuse(403, text, ((b"www-authenticate", challenge.encode()),))

    def _too_often(self, key: str, bucket: Bucket, wait: float) -> Refusal:
        reason = f"asks more than {bucket.per_second:g} times a second"
        busy = Busy(f"key {key}", reason=reason, seconds=math.ceil(wait), is_callers=True)
        return self.refuse(status_of(busy), str(busy), headers_of(busy))
