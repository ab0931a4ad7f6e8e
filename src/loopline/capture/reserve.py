"""Which samples may judge a model: fixed at ingest, before any score exists."""

import hmac

from loopline.records.prediction import Role


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
    keyed = hmac.digest(secret, group.encode("utf-8", "surrogatepass"), "sha256")
    # 53 bits are what a float holds exactly, so that u < 1 always.
    u = (int.from_bytes(keyed[:8], "big") >> 11) / (1 << 53)
    return "reserve" if u < share else "loop"
