"""What each person did, in memory."""

from datetime import datetime

from loopline.adapters.memory.state import Answer, MemoryState
from loopline.errors import NotFound
from loopline.ports.work_log import Asked, Work
from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Skip


class MemoryWorkLog:
    """Reads people's work in a ``MemoryState``."""

    def __init__(self, state: MemoryState) -> None:
        self.state = state

    def work(self, loop: LoopName, *, annotator: str, newest: int) -> tuple[Work, ...]:
        """The latest ``newest`` answers of this person, undone ones too, newest first."""
        with self.state.lock:
            own = [a for a in self._answers(loop) if a.annotation.annotator == annotator]
            own.sort(key=lambda a: (a.annotation.at, a.annotation.id), reverse=True)
            tasks = self.state.tasks
            return tuple(Work(tasks[a.annotation.task], a.annotation, a.withdrawn) for a in own[: max(0, newest)])

    def passed(self, loop: LoopName, *, annotator: str, newest: int) -> tuple[Skip, ...]:
        """What this person passed on, newest first."""
        with self.state.lock:
            own = [skip for skip in self._skips(loop) if skip.annotator == annotator]
        return tuple(sorted(own, key=lambda skip: (skip.at, skip.task), reverse=True)[: max(0, newest)])

    def people(self, loop: LoopName) -> tuple[str, ...]:
        """Everybody who has answered or passed, by name."""
        with self.state.lock:
            answered = {a.annotation.annotator for a in self._answers(loop)}
            return tuple(sorted(answered | {skip.annotator for skip in self._skips(loop)}))

    def given_since(self, loop: LoopName, *, annotator: str, since: datetime) -> int:
        """How many answers this person gave at ``since`` or later and did not take back."""
        with self.state.lock:
            own = [a for a in self._answers(loop) if a.annotation.annotator == annotator and a.withdrawn is None]
        return sum(a.annotation.at >= since for a in own)

    def asked(self, loop: LoopName, *, task: TaskId) -> Asked:
        """One task with everybody who was asked about it. Raises NotFound."""
        with self.state.lock:
            found = self.state.tasks.get(task)
            if found is None or found.loop != loop:
                raise NotFound("task", task)
            answered = {a.annotation.annotator for a in self._answers(loop) if a.annotation.task == task}
            met = {person for name, person in (*self.state.leases, *self.state.skips) if name == task}
        return Asked(found, frozenset(answered | met))

    def _answers(self, loop: LoopName) -> list[Answer]:
        return [answer for answer in self.state.answers.values() if answer.loop == loop]

    def _skips(self, loop: LoopName) -> list[Skip]:
        return [skip for skip in self.state.skips.values() if self.state.tasks[skip.task].loop == loop]
