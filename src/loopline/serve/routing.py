"""Who answers which request: a salted hash, so that the same key always gets the same version."""

from blake3 import blake3

from loopline.records.rollout import FULL, TrafficSplit


def basis_point(key: str, *, salt: str) -> int:
    """The key's fixed place, 0 to 9,999, uniform over keys and independent between salts.

    The first 8 bytes of BLAKE3(salt, 0, key) modulo 10,000; the remainder favours no place by more than 1 in 10^15.

    >>> basis_point("ana", salt="s") == basis_point("ana", salt="s")
    True
    """
    return int.from_bytes(blake3(f"{salt}\0{key}".encode("utf-8", "surrogatepass")).digest(8), "big") % FULL


def is_challengers(key: str, *, split: TrafficSplit) -> bool:
    """Whether the challenger answers this key.

    Sticky: the same key goes the same way while the split stands. Monotone: who is in at 5 % stays in at 25 %. The
    salt names the challenger, so that another challenger is tried on other keys.

    >>> is_challengers("ana", split=TrafficSplit(loop="s", revision=1, incumbent="v1"))
    False
    """
    if split.challenger is None:
        return False
    return basis_point(key, salt=f"{split.loop}/{split.challenger}") < split.basis_points
