"""Totals in memory: they live as long as the object does."""

from threading import Lock

from loopline.errors import NotFound
from loopline.ports.counters import NAMES


class MemoryCounters:
    """The named totals of ``Counters``, all zero at first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._totals = dict.fromkeys(NAMES, 0)

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a total. Raises NotFound for a name that no total has."""
        if name not in self._totals:
            raise NotFound("counter", name, known=NAMES)
        with self._lock:
            self._totals[name] += amount

    def read(self) -> dict[str, int]:
        """All totals at one moment."""
        with self._lock:
            return dict(self._totals)
