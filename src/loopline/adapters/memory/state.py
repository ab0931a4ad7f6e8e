"""What the memory ledger and the memory queue share, as their SQL twins share a database."""

import threading
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from loopline.records.cycle import Cycle
from loopline.records.ids import CommandId, LoopName, TaskId
from loopline.records.label import LabelBatch
from loopline.records.lineage import Activity, Event, Stored
from loopline.records.prediction import Role
from loopline.records.task import Annotation, Skip, Standing, Task


@dataclass
class Answer:
    """An annotation, and when it was undone."""

    annotation: Annotation
    loop: LoopName
    withdrawn: datetime | None = None


@dataclass(frozen=True)
class Lease:
    """Until when a person holds a task; an ended one remembers that they were asked."""

    until: datetime | None
    seconds: float


@dataclass
class MemoryState:
    """One installation's state, guarded by one lock."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    entries: set[CommandId] = field(default_factory=set)
    records: dict[tuple[LoopName, str, str], Stored] = field(default_factory=dict)
    """By loop, kind and key, in the order of their first commits."""
    activities: list[Activity] = field(default_factory=list)
    events: dict[tuple[str, str], Event] = field(default_factory=dict)
    """By source and id, in order of commit."""
    tasks: dict[TaskId, Task] = field(default_factory=dict)
    published: dict[TaskId, Task] = field(default_factory=dict)
    """As they first came, before anyone asked for more or fewer answers."""
    answers: dict[tuple[LoopName, str], Answer] = field(default_factory=dict)
    skips: dict[tuple[TaskId, str], Skip] = field(default_factory=dict)
    leases: dict[tuple[TaskId, str], Lease] = field(default_factory=dict)
    roles: dict[tuple[LoopName, str], Role] = field(default_factory=dict)
    """By loop and content."""
    members: dict[tuple[LoopName, str], tuple[tuple[int, int | None], ...]] = field(default_factory=dict)
    """By loop and content: the dataset versions that hold it, from the first up to, and without, the second."""

    def paused(self, loop: LoopName) -> frozenset[str]:
        """The annotators whose standing is ``paused``."""
        standings = (r for r in self.records.values() if isinstance(r, Standing) and r.loop == loop)
        return frozenset(s.annotator for s in standings if s.state == "paused")

    def finished(self, loop: LoopName) -> frozenset[int]:
        """The cycles whose batch is over: it has labels, or the cycle is closed."""
        own = [record for record in self.records.values() if record.loop == loop]
        closed = {r.number for r in own if isinstance(r, Cycle) and r.phase == "closed"}
        return frozenset(closed | self.labelled(loop))

    def labelled(self, loop: LoopName) -> set[int]:
        """The cycles that have labels."""
        return {r.cycle for r in self.records.values() if isinstance(r, LabelBatch) and r.loop == loop}

    def given(self, task: TaskId) -> list[Annotation]:
        """The answers to a task that were not undone."""
        return [a.annotation for a in self.answers.values() if a.annotation.task == task and a.withdrawn is None]

    def standing(self, task: Task) -> list[Annotation]:
        """The answers to a task that count: by annotators who are not paused; to gold, by anyone."""
        out = frozenset[str]() if task.stratum == "gold" else self.paused(task.loop)
        return [annotation for annotation in self.given(task.id) if annotation.annotator not in out]

    def passed(self, task: Task) -> list[Skip]:
        """Who passed on the task, or on its content under another task."""
        skipped = ((self.tasks[skip.task], skip) for skip in self.skips.values())
        same = (skip for other, skip in skipped if (other.loop, other.content) == (task.loop, task.content))
        return [msgspec.structs.replace(skip, task=task.id) for skip in same]
