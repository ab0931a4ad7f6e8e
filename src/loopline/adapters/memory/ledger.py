"""The ledger in memory."""

import msgspec

from loopline.adapters.memory.roles import claimed
from loopline.adapters.memory.state import MemoryState
from loopline.errors import Conflict, NotFound
from loopline.ports.ledger import R
from loopline.records.ids import LoopName, TaskId
from loopline.records.keys import KINDS, key_of_record
from loopline.records.lineage import Activity, Entry, Event
from loopline.records.task import Task


class MemoryLedger:
    """Keeps records in a ``MemoryState``; give the same one to ``MemoryTaskQueue`` and ``MemoryRoles``."""

    def __init__(self, state: MemoryState | None = None) -> None:
        self.state = state or MemoryState()

    def commit(self, entry: Entry) -> bool:
        """Store the entry whole and return True; an entry id seen before changes nothing and returns False."""
        state = self.state
        with state.lock:
            if entry.id in state.entries:
                return False
            if entry.activity and any(known.id == entry.activity.id for known in state.activities):
                raise Conflict(f"activity {entry.activity.id}", found="one under this id", expected="a new id")
            added, raised = self._tasks_after(entry)  # all that may be refused, before anything changes
            fresh = claimed(state, entry)
            state.entries.add(entry.id)
            state.roles.update(fresh.roles)
            state.members.update(fresh.members)
            state.published.update(added)
            state.tasks.update(raised)
            for record in entry.records:
                state.records[LoopName(record.loop), KINDS[type(record)], key_of_record(record)] = record
            if entry.activity:
                state.activities.append(entry.activity)
            for event in entry.events:
                state.events.setdefault((event.source, event.id), event)
        return True

    def get(self, kind: type[R], key: str, *, loop: LoopName) -> R:
        """The loop's record of this kind and key. Raises NotFound, naming the keys there are."""
        with self.state.lock:
            own = {key_of_record(record): record for record in self._of(kind, loop)}
        if key not in own:
            raise NotFound(_name(kind), key, known=tuple(sorted(own)))
        return own[key]

    def all(self, kind: type[R], loop: LoopName) -> tuple[R, ...]:
        """Every record of this kind in the loop, in the order of their first commits."""
        with self.state.lock:
            return tuple(self._of(kind, loop))

    def activities(self, loop: LoopName) -> tuple[Activity, ...]:
        """The run graph of the loop, oldest first."""
        with self.state.lock:
            return tuple(activity for activity in self.state.activities if activity.loop == loop)

    def events(self, loop: LoopName, *, newest: int) -> tuple[Event, ...]:
        """The latest ``newest`` events, newest first."""
        with self.state.lock:
            own = [event for event in self.state.events.values() if event.source == f"/loops/{loop}"]
        return tuple(own[::-1][:newest])

    def _of(self, kind: type[R], loop: LoopName) -> list[R]:
        return [r for r in self.state.records.values() if isinstance(r, kind) and r.loop == loop]

    def _tasks_after(self, entry: Entry) -> tuple[dict[TaskId, Task], dict[TaskId, Task]]:
        """New tasks as they come, and all touched tasks as they are then."""
        added, touched = dict[TaskId, Task](), dict[TaskId, Task]()
        for task in entry.tasks:
            known = added.get(task.id) or self.state.published.get(task.id)
            if known is None:
                added[task.id] = touched[task.id] = task
            elif known != task:
                raise Conflict(f"task {task.id}", found="another task under this id", expected="a new id")
        for change in entry.raises:
            now = touched.get(change.task) or self.state.tasks.get(change.task)
            if now is None:
                raise NotFound("task", change.task)
            touched[change.task] = msgspec.structs.replace(now, wanted=change.wanted)
        return added, touched


def _name(kind: type[R]) -> str:
    return next(name for stored, name in KINDS.items() if stored is kind)
