"""Names for the ids that travel through the loop, and how a new one is made."""

from typing import NewType

LoopName = NewType("LoopName", str)
PredictionId = NewType("PredictionId", str)
"""Ours (UUIDv7) or the caller's own; the same id twice is one prediction."""
VersionName = NewType("VersionName", str)
"""``v1``, ``v2``, ...: a model version within one loop."""
TaskId = NewType("TaskId", str)
RunId = NewType("RunId", str)
CommandId = NewType("CommandId", str)
"""Names one act once: a command carried out twice changes nothing the second time."""
Digest = NewType("Digest", str)
"""Hex BLAKE3 of content (64 digits); the identity of an artefact."""


def uuid7(*, now_ms: int, randomness: bytes) -> str:
    """A UUID version 7: sortable by time, unique by 74 random bits.

    ``now_ms``: milliseconds since 1970 UTC; ``randomness``: 10 bytes. Source: RFC 9562, section 5.7.

    >>> uuid7(now_ms=0x017F22E279B0, randomness=bytes(10))
    '017f22e2-79b0-7000-8000-000000000000'
    """
    tail = int.from_bytes(randomness[:10], "big")
    value = (now_ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | (tail >> 62 & 0xFFF) << 64 | 0b10 << 62 | tail & (1 << 62) - 1
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
