"""The one database: a stage's output, its lineage and its event commit together."""

from typing import Protocol, TypeVar

from loopline.records.ids import LoopName
from loopline.records.lineage import Activity, Entry, Event, Stored

R = TypeVar("R", bound=Stored)


class Ledger(Protocol):
    """Keeps records, their lineage, and the outbox of events."""

    def commit(self, entry: Entry) -> bool:
        """Store the entry whole and return True; an entry id seen before changes nothing and returns False.

        A record with the key of a stored one replaces it. Keys: see ``records/keys.py``. A task that is stored already
        stays as it is; a raise sets how many answers it wants, be that more or fewer. Raises Conflict for another task
        or activity under a known id, NotFound for a raise of an unknown task; nothing is stored then.

        Registers the role of every sample in a selection, a reserve task, a seal or a membership (``RoleBook``). Raises
        Conflict for one that is registered on the other side of the seal, and for a membership of a version that is not
        later than those stored.
        """
        ...

    def get(self, kind: type[R], key: str, *, loop: LoopName) -> R:
        """The loop's record of this kind and key. Raises NotFound."""
        ...

    def all(self, kind: type[R], loop: LoopName) -> tuple[R, ...]:
        """Every record of this kind in the loop, oldest key first (by time of first commit)."""
        ...

    def activities(self, loop: LoopName) -> tuple[Activity, ...]:
        """The run graph of the loop, oldest first."""
        ...

    def events(self, loop: LoopName, *, newest: int) -> tuple[Event, ...]:
        """The latest ``newest`` events, newest first."""
        ...
