"""Who did what at which door: append-only."""

from collections.abc import Sequence
from typing import Protocol

from loopline.records.ids import LoopName
from loopline.records.people import Act


class AuditLog(Protocol):
    """Keeps every act; nothing of it is ever changed."""

    def write(self, acts: Sequence[Act]) -> None:
        """Append these acts, all or none. An id that is stored already changes nothing."""
        ...

    def read(self, loop: LoopName, *, newest: int, actor: str = "", before: str = "") -> tuple[Act, ...]:
        """The latest ``newest`` acts, newest first (by id); of this actor alone; those before the act of this id."""
        ...
