"""Passwords: hashed with argon2id, and checked in a time that tells nothing about who there is."""

import unicodedata
from functools import cached_property
from threading import BoundedSemaphore, Lock
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from loopline.errors import Busy, InvalidRecord

SHORTEST, LONGEST = 10, 200
"""Characters of a password."""
AT_ONCE, WAITING = 2, 64
"""Checks that run at once, at 64 MiB each; and those that may wait for their turn."""
NOBODYS: Final = "what an unknown name is held against"


class Passwords:
    """Makes hashes and checks them (RFC 9106, by argon2-cffi's parameters). Thread-safe."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns, self._lock, self._inside = BoundedSemaphore(AT_ONCE), Lock(), 0

    def hashed(self, password: str) -> str:
        """What is kept of the password. Raises InvalidRecord when it is too short or too long, Busy as ``check``."""
        if not SHORTEST <= len(password) <= LONGEST:
            expected = f"{SHORTEST} to {LONGEST}; four words that you remember are a good one"
            raise InvalidRecord("password", found=f"{len(password)} characters", expected=expected)
        with self._turn():
            return self._hasher.hash(_normal(password))

    def check(self, password: str, stored: str) -> bool:
        """Whether this is the password behind the hash; never behind an empty one, which takes as long.

        Raises Busy when too many wait already: each check takes memory and time on purpose.
        """
        known, nobodys = stored if stored and len(password) <= LONGEST else "", self._nobodys
        with self._turn():
            try:
                self._hasher.verify(known or nobodys, _normal(password[:LONGEST]))
            except (VerificationError, InvalidHashError):
                return False
        return bool(known)

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(stored)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(NOBODYS)

    def _turn(self) -> "_Turn":
        return _Turn(self)


class _Turn:
    """A place in the row before the hasher."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    def __enter__(self) -> None:
        owner = self._passwords
        with owner._lock:
            if owner._inside >= AT_ONCE + WAITING:
                raise Busy("sign-in", reason=f"{owner._inside} others are signing in", seconds=2)
            owner._inside += 1
        owner._turns.acquire()

    def __exit__(self, *_: object) -> None:
        owner = self._passwords
        owner._turns.release()
        with owner._lock:
            owner._inside -= 1


def _normal(password: str) -> str:
    """The password in one spelling: keyboards compose accents differently (RFC 8265, 4.2)."""
    return unicodedata.normalize("NFC", password)
