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


VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""A hex digit -> the digit with its two lower bits, and 10 above them: the variant of RFC 9562."""


def uuid7(*, now_ms: int, randomness: bytes) -> str:
    """A UUID version 7: sortable by time, unique by 74 random bits.

    ``now_ms``: milliseconds since 1970 UTC; ``randomness``: 10 bytes. Source: RFC 9562, section 5.7.

    >>> uuid7(now_ms=0x017F22E279B0, randomness=bytes(10))
    '017f22e2-79b0-7000-8000-000000000000'
    """
    time, tail = f"{now_ms & 0xFFFFFFFFFFFF:012x}", randomness.hex()
    return f"{time[:8]}-{time[8:]}-7{tail[:3]}-{VARIANT[tail[3]]}{tail[4:7]}-{tail[7:19]}"
