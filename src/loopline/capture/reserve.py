"""Which samples may judge a model: fixed at ingest, before any score exists."""

import hashlib

from loopline.records.prediction import Role

BLOCK_BYTES = 64
"""Of SHA-256; a longer key is hashed first."""
UNITS = 1 << 53
"""A float holds 53 bits exactly, so that u < 1 always."""


class Sealing:
    """Gives ``reserve`` to a fixed pseudo-random ``share`` of all groups, and ``loop`` to the others.

    u = HMAC-SHA256(secret, group) read as a number in [0, 1); reserve exactly when u < share. Who does not know the
    secret cannot choose a group's side; a group never changes sides while the share stands, and when the share grows
    no group leaves the reserve. What depends on the secret alone is done once: HMAC(secret, group) is
    H(secret ^ opad, H(secret ^ ipad, group)). Source: RFC 2104.

    Args:
        secret: the installation's key, 32 random bytes.
        share: expected part of groups that is sealed, in [0, 1].

    >>> Sealing(b"key", share=0.0).role("ana"), Sealing(b"key", share=1.0).role("ana")
    ('loop', 'reserve')
    """

    def __init__(self, secret: bytes, *, share: float) -> None:
        key = secret if len(secret) <= BLOCK_BYTES else hashlib.sha256(secret).digest()
        padded = key.ljust(BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(one ^ 0x36 for one in padded))
        self._outer = hashlib.sha256(bytes(one ^ 0x5C for one in padded))
        self._share = share

    def role(self, group: str) -> Role:
        """Of every sample with this group key."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(group.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        u = (int.from_bytes(outer.digest()[:8], "big") >> 11) / UNITS
        return "reserve" if u < self._share else "loop"
