"""Time, passed in so that a test can hold it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present moment, in UTC, with its time zone; never earlier than what it said before."""
        ...
