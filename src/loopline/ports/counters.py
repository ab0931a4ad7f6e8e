"""Counts that must outlive the process, so that every answer can be accounted for."""

from collections.abc import Mapping
from typing import Final, Protocol

NAMES: Final = ("answered", "stored", "repeated", "dropped", "shadow_dropped", "failed", "sampled_out")
"""Every total there is. The order is part of stored files: a new name goes to the end.

``answered = stored + repeated + dropped + sampled_out + waiting`` counts every arm but shadow; ``failed`` are those
of the answered that tell of a model's failure; ``shadow_dropped`` are shadow answers that found no room.
"""


class Counters(Protocol):
    """Named totals since the installation began. They survive kill -9 of the processes that add to them."""

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a total. Never blocks on a disk; costs less than a microsecond. Thread-safe. Raises NotFound."""
        ...

    def settle(self, amounts: Mapping[str, int], *, through: int) -> None:
        """Add to several totals and remember what they account for: all of it or nothing, whenever the process dies."""
        ...

    def settled(self) -> int:
        """The ``through`` of the last settlement; 0 before the first."""
        ...

    def read(self) -> dict[str, int]:
        """All totals, by the names in ``NAMES``."""
        ...
