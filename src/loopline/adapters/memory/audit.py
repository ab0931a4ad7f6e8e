"""The audit log in memory."""

from collections.abc import Sequence
from threading import Lock

from loopline.records.ids import LoopName
from loopline.records.people import Act


class MemoryAuditLog:
    """Keeps acts in a dictionary."""

    def __init__(self) -> None:
        self._acts: dict[str, Act] = {}
        self._lock = Lock()

    def write(self, acts: Sequence[Act]) -> None:
        """Append these acts, all or none. An id that is stored already changes nothing."""
        with self._lock:
            for act in acts:
                self._acts.setdefault(act.id, act)

    def read(self, loop: LoopName, *, newest: int, actor: str = "", before: str = "") -> tuple[Act, ...]:
        """The latest ``newest`` acts, newest first (by id); of this actor alone; those before the act of this id."""
        with self._lock:
            own = [act for act in self._acts.values() if act.loop == loop and actor in ("", act.actor)]
        found = sorted((act for act in own if not before or act.id < before), key=lambda act: act.id, reverse=True)
        return tuple(found[:newest])
