"""Sealed parts of the prediction log, and who holds on to them."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import Digest, LoopName

Tier = Literal["hot", "archive", "deleted"]
"""Read by default; kept densely packed for rare queries; gone, and remembered here only."""


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One immutable Parquet object: the rows at positions ``first`` to ``first + rows - 1``."""

    digest: Digest
    """Of its bytes: its name in the object store."""
    loop: LoopName
    lane: str
    """The writer whose spool it was sealed from."""
    lane_first: int
    """Position of its first row in that spool."""
    first: int
    """Position of its first row in the log; given when it is added to the manifest."""
    rows: int
    size: int
    """Bytes of the object."""
    min_at_us: int
    max_at_us: int
    """Of its rows, microseconds since 1970 UTC."""
    min_id: str
    max_id: str
    """Of its rows' ids, by code point."""
    counts: dict[str, int]
    """Rows by model version."""
    arms: dict[str, int]
    """Rows by arm."""
    tier: Tier
    sealed_at: datetime
    ids: bytes = b""
    """Bloom filter over the ids of its rows: who is not in it is not in the segment."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A claim on a stretch of the log: no segment that overlaps it is deleted."""

    holder: str
    """Who needs it, by entity: ``selection:cycle-7``."""
    after: int
    until: int
    """Positions in (after, until]."""
