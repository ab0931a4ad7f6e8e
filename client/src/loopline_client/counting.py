"""The account: every prediction that was given to us has its place in it."""

from __future__ import annotations

import threading
from typing import NamedTuple


class Counts(NamedTuple):
    """accepted = sent + refused + dropped + waiting, predictions and outcomes together, since this process began."""

    accepted: int
    """Calls, and lines that an earlier process left in the spool."""
    sent: int
    """Stored by the server."""
    dropped: int
    """Lost: no room, closed, or a process that ended before they were sent."""
    refused: int
    """Unusable, as this library or the server says: ``Capture.trouble`` has the last reason."""
    waiting: int
    """In memory or in the spool, to be sent."""


class Tally:
    """Counts that several threads add to; a signal in the midst of an addition cannot lock them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts = dict.fromkeys(("accepted", "sent", "dropped", "refused"), 0)

    def add(self, name: str, amount: int = 1) -> None:
        """Add to one of the counts."""
        with self._lock:
            self._counts[name] += amount

    def read(self) -> Counts:
        """All counts, at one instant."""
        with self._lock:
            accepted, sent, dropped, refused = self._counts.values()
        return Counts(accepted, sent, dropped, refused, accepted - sent - dropped - refused)
