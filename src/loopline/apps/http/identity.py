"""Who may come in: the token, the signed cookie that stands for it, and the names we answer to."""

import hashlib
import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from itsdangerous import BadSignature, TimestampSigner

DAYS_SIGNED_IN = 30
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Checks tokens, cookies and host names; makes the cookie of a browser that has shown the token."""

    token: str
    secret: bytes
    hosts: frozenset[str] = frozenset()
    """Names beside the loopback ones under which this server may be called."""

    @property
    def cookie(self) -> str:
        """The cookie's name: its own for each installation, since a browser shares cookies between ports."""
        return f"loopline_{hashlib.sha256(self.secret).hexdigest()[:8]}"

    def is_token(self, given: str) -> bool:
        """Whether this is the token; the time it takes does not tell how much of it was right."""
        return bool(self.token) and hmac.compare_digest(given.encode(), self.token.encode())

    def issue(self, *, is_secure: bool = False) -> str:
        """The ``Set-Cookie`` value of a browser that showed the token: out of reach of scripts and of other sites."""
        value = self._signer().sign(self._fingerprint()).decode()
        cookie = f"{self.cookie}={value}; Max-Age={DAYS_SIGNED_IN * 86_400}; Path=/; HttpOnly; SameSite=Strict"
        return cookie + ("; Secure" if is_secure else "")

    def revoke(self) -> str:
        """The ``Set-Cookie`` value that signs a browser out."""
        return f"{self.cookie}=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"

    def is_signed_in(self, cookies: str) -> bool:
        """Whether a ``Cookie`` header holds our signed cookie, unexpired and made under the present token."""
        try:
            jar = SimpleCookie(cookies)
        except CookieError:
            return False
        if self.cookie not in jar:
            return False
        try:
            value = self._signer().unsign(jar[self.cookie].value, max_age=DAYS_SIGNED_IN * 86_400)
        except BadSignature:
            return False
        return hmac.compare_digest(value, self._fingerprint())

    def answers_to(self, host: str) -> bool:
        """Whether a ``Host`` header names this machine: a foreign name is a rebound DNS entry.

        >>> Identity(token="t", secret=b"s").answers_to("127.0.0.1:8686")
        True
        >>> Identity(token="t", secret=b"s").answers_to("evil.example:8686")
        False
        """
        name = hostname(host)
        return name in LOOPBACK or name in self.hosts

    def _signer(self) -> TimestampSigner:
        return TimestampSigner(self.secret, salt="loopline.session", digest_method=hashlib.sha256)

    def _fingerprint(self) -> bytes:
        return hashlib.sha256(b"loopline" + self.token.encode()).hexdigest().encode()


def hostname(host: str) -> str:
    """The name in a ``Host`` header, in small letters, without port and brackets; empty when it is malformed.

    >>> hostname("[::1]:8686"), hostname("LOCALHOST"), hostname("a b")
    ('::1', 'localhost', '')
    """
    if not host or any(mark in host for mark in " \t/\\@?#"):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_same_origin(*, host: str, origin: str | None, site: str | None) -> bool:
    """Whether a browser's unsafe request comes from our own pages, by ``Sec-Fetch-Site``, else by ``Origin``.

    Neither header: no, since every browser sends one of them with a POST.

    >>> is_same_origin(host="127.0.0.1:8686", origin="http://127.0.0.1:8686", site=None)
    True
    >>> is_same_origin(host="127.0.0.1:8686", origin="http://evil.example", site=None)
    False
    """
    if site is not None:
        return site == "same-origin"
    return origin is not None and origin.partition("://")[2] == host
