"""Totals in memory: they live as long as the object does."""

from collections.abc import Mapping
from threading import Lock

from loopline.errors import NotFound
from loopline.ports.counters import NAMES


class MemoryCounters:
    """The named totals of ``Counters``, all zero at first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._totals = dict.fromkeys(NAMES, 0)
        self._settled = 0

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a total. Raises NotFound for a name that no total has."""
        if name not in self._totals:
            raise NotFound("counter", name, known=NAMES)
        with self._lock:
            self._totals[name] += amount

    def settle(self, amounts: Mapping[str, int], *, through: int) -> None:
        """Add to several totals at one moment. Raises NotFound for a name that no total has."""
        for name in amounts:
            if name not in self._totals:
                raise NotFound("counter", name, known=NAMES)
        with self._lock:
            for name, amount in amounts.items():
                self._totals[name] += amount
            self._settled = through

    def settled(self) -> int:
        """The ``through`` of the last settlement; 0 before the first."""
        return self._settled

    def read(self) -> dict[str, int]:
        """All totals at one moment."""
        with self._lock:
            return dict(self._totals)
