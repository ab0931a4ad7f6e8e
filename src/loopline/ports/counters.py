"""Counts that must outlive the process, so that every answer can be accounted for."""

from typing import Protocol


class Counters(Protocol):
    """Named totals since the installation began. They survive kill -9 of the process that adds to them."""

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a total. Never blocks on a disk; costs less than a microsecond. Thread-safe."""
        ...

    def read(self) -> dict[str, int]:
        """All totals. Names: ``answered``, ``stored``, ``repeated``, ``dropped``, ``shadow_dropped``, ``failed``."""
        ...
