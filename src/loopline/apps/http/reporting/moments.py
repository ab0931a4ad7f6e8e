"""When something happened, as programs write it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from loopline.errors import InvalidRecord

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = 4_102_444_800
"""Seconds from 1970 to 2100: a larger number is not in seconds."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)] | int | float | None
"""RFC 3339 with its offset, or seconds since 1970 UTC; None: now."""


def microseconds(at: Moment, *, now: datetime) -> int:
    """Microseconds since 1970 UTC. Raises InvalidRecord for a moment before that, or after 2100.

    >>> microseconds(1.5, now=EPOCH), microseconds(None, now=EPOCH)
    (1500000, 0)
    """
    if at is None:
        at = now
    since = (at - EPOCH) // timedelta(microseconds=1) if isinstance(at, datetime) else round(at * 1_000_000)
    if not 0 <= since < LATEST * 1_000_000:
        found = at.isoformat() if isinstance(at, datetime) else str(at)
        found = found if len(found) < 40 else f"{found[:36]}..."
        raise InvalidRecord("report", found=f"at {found}", expected="RFC 3339, or seconds since 1970")
    return since


def moment(at: Moment, *, now: datetime) -> datetime:
    """The moment in UTC. Raises as ``microseconds``.

    >>> moment(86_400, now=EPOCH).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return EPOCH + timedelta(microseconds=microseconds(at, now=now))
