"""A clock that stands still until it is moved."""

from datetime import datetime, timedelta

from loopline.errors import InvalidRecord


class ManualClock:
    """Tells the time it was set to."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The moment it was moved to."""
        return self._now

    def advance(self, seconds: float) -> datetime:
        """The new time, so many seconds later. Raises InvalidRecord for a step back.

        >>> from datetime import UTC
        >>> ManualClock(datetime(2026, 1, 5, tzinfo=UTC)).advance(60).isoformat()
        '2026-01-05T00:01:00+00:00'
        """
        if seconds < 0:
            raise InvalidRecord("clock", found=f"a step of {seconds:g} seconds", expected="a step forward")
        self._now += timedelta(seconds=seconds)
        return self._now
