"""The one loop that every factory speaks of: ``sentiment``, at nine on a Monday."""

from datetime import UTC, datetime, timedelta

from blake3 import blake3

from loopline.records.ids import Digest, LoopName
from loopline.records.signature import Signature

LOOP = LoopName("sentiment")
LABELS = ("negative", "neutral", "positive")
SIGNATURE = Signature(input="text", labels=LABELS)
NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""The moment at which every record was made, unless told otherwise."""


def digest(content: bytes) -> Digest:
    """Hex BLAKE3 of the content."""
    return Digest(blake3(content).hexdigest())


def later(seconds: float) -> datetime:
    """So many seconds after ``NOW``."""
    return NOW + timedelta(seconds=seconds)
