"""The cookie of a person who signed in: their name, their epoch and when they came, signed; nothing is kept here."""

import hashlib
import time
from http.cookies import CookieError, SimpleCookie
from typing import Final, NamedTuple

from itsdangerous import BadData, URLSafeTimedSerializer

from loopline.records.people import User

IDLE_SECONDS: Final = 12 * 3_600
"""A session ends so long after its last request."""
ABSOLUTE_SECONDS: Final = 7 * 86_400
"""A session ends so long after its person signed in, whatever they do."""
RENEWED_SECONDS: Final = 300
"""A cookie older than this is written anew with the next answer."""
GUARDS: Final = "Path=/; HttpOnly; SameSite=Strict"


class Session(NamedTuple):
    """What a cookie of ours says."""

    name: str
    epoch: int
    begun: int
    """Unix time at which its person showed their password."""
    seen: int
    """Unix time at which it was written."""

    @property
    def is_old(self) -> bool:
        """Whether the cookie is due to be written anew."""
        return time.time() - self.seen > RENEWED_SECONDS


class Sessions:
    """Writes and reads the cookies of one loop's people."""

    def __init__(self, *, secret: bytes, loop: str, cookie: str) -> None:
        self.cookie = cookie
        """Its name: that of the installation, so that a browser is one person at a time."""
        self._serializer = URLSafeTimedSerializer(
            secret, salt=f"loopline.user/{loop}", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def begun(self, user: User, *, is_secure: bool) -> str:
        """The ``Set-Cookie`` value of somebody who has just shown who they are."""
        return self._written(user.name, user.epoch, int(time.time()), is_secure=is_secure)

    def renewed(self, session: Session, *, is_secure: bool) -> str:
        """The same session, seen now."""
        return self._written(session.name, session.epoch, session.begun, is_secure=is_secure)

    def read(self, cookies: str) -> Session | None:
        """What a ``Cookie`` header says in our name; None unless it is ours, whole, and within both limits."""
        try:
            jar = SimpleCookie(cookies)
        except CookieError:
            return None
        if self.cookie not in jar:
            return None
        try:
            said, at = self._serializer.loads(jar[self.cookie].value, max_age=IDLE_SECONDS, return_timestamp=True)
        except BadData:
            return None
        name, epoch, begun = said
        if not 0 <= time.time() - begun <= ABSOLUTE_SECONDS:
            return None
        return Session(name, epoch, begun, int(at.timestamp()))

    def _written(self, name: str, epoch: int, begun: int, *, is_secure: bool) -> str:
        value = self._serializer.dumps([name, epoch, begun])
        text = value if isinstance(value, str) else value.decode()
        left = max(0, int(begun + ABSOLUTE_SECONDS - time.time()))
        return f"{self.cookie}={text}; Max-Age={min(IDLE_SECONDS, left)}; {GUARDS}" + ("; Secure" if is_secure else "")
