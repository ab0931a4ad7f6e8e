"""Which samples may judge a model: fixed at ingest, before any score exists."""

import hashlib
from collections.abc import Sequence

from loopline.records.prediction import Role

BLOCK_BYTES = 64
"""Of SHA-256; a longer key is hashed first."""
UNITS = 1 << 53
"""A float holds 53 bits exactly, so that u < 1 always."""


def role_of(group: str, *, secret: bytes, share: float) -> Role:
    """``reserve`` for a fixed pseudo-random ``share`` of all groups, else ``loop``.

    u = HMAC-SHA256(secret, group) read as a number in [0, 1); reserve exactly when u < share. Who does not know the
    secret cannot choose a group's side; a group never changes sides while the share stands, and when the share grows
    no group leaves the reserve.

    Args:
        group: the group key of a sample; the whole group gets the same role.
        secret: the installation's key, 32 random bytes.
        share: expected part of groups that is sealed, in [0, 1].

    >>> role_of("ana", secret=b"key", share=0.0), role_of("ana", secret=b"key", share=1.0)
    ('loop', 'reserve')
    """
    return Sealing(secret, share=share).roles([group])[0]


class Sealing:
    """``role_of`` for many groups of one installation: what depends on the secret alone is done once.

    HMAC(secret, group) = H(secret ^ opad, H(secret ^ ipad, group)). Source: RFC 2104.
    """

    def __init__(self, secret: bytes, *, share: float) -> None:
        key = secret if len(secret) <= BLOCK_BYTES else hashlib.sha256(secret).digest()
        padded = key.ljust(BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(one ^ 0x36 for one in padded))
        self._outer = hashlib.sha256(bytes(one ^ 0x5C for one in padded))
        self._share = share

    def roles(self, groups: Sequence[str]) -> list[Role]:
        """The role of each group, in order."""
        return ["reserve" if self._drawn(group) < self._share else "loop" for group in groups]

    def _drawn(self, group: str) -> float:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(group.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return (int.from_bytes(outer.digest()[:8], "big") >> 11) / UNITS
