"""The machine's clock."""

import threading
from datetime import UTC, datetime


class SystemClock:
    """Tells the machine's time; when that is set back, it stands still until the machine has caught up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The present moment, in UTC; never earlier than what it said before."""
        with self._lock:
            self._last = max(self._last, datetime.now(UTC))
            return self._last
