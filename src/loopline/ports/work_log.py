"""What each person did, over all batches: for their own page, for who looks after them, for exports."""

from datetime import datetime
from typing import NamedTuple, Protocol

from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Annotation, Skip, Task


class Work(NamedTuple):
    """One answer, with what was asked."""

    task: Task
    annotation: Annotation
    undone_at: datetime | None
    """When its author took it back; None: it was not."""


class Asked(NamedTuple):
    """One task, and everybody who was asked about it: holds or held it, answered it, or passed on it."""

    task: Task
    people: frozenset[str]


class WorkLog(Protocol):
    """Reads people's work across batches."""

    def work(self, loop: LoopName, *, annotator: str, newest: int) -> tuple[Work, ...]:
        """The latest ``newest`` answers of this person, undone ones too, newest first (by time, then id)."""
        ...

    def passed(self, loop: LoopName, *, annotator: str, newest: int) -> tuple[Skip, ...]:
        """What this person passed on, newest first."""
        ...

    def people(self, loop: LoopName) -> tuple[str, ...]:
        """Everybody who has answered or passed, by name."""
        ...

    def given_since(self, loop: LoopName, *, annotator: str, since: datetime) -> int:
        """How many answers this person gave at ``since`` or later and did not take back."""
        ...

    def asked(self, loop: LoopName, *, task: TaskId) -> Asked:
        """One task with everybody who was asked about it. Raises NotFound."""
        ...
