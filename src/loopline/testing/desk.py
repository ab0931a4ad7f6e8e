"""Where tasks are handed out and answered in tests: a ledger, a queue and a book over one state."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from loopline.ports.ledger import Ledger
from loopline.ports.task_queue import AnswerBook, TaskQueue
from loopline.ports.work_log import WorkLog
from loopline.records.ids import CommandId, TaskId
from loopline.records.lineage import Entry, Raise, Stored
from loopline.records.task import Annotation, Claim, Progress, Stratum, Task
from loopline.testing import factories as one

WORK = frozenset[Stratum]({"chosen", "audit", "reserve", "relabel"})
GOLD = frozenset[Stratum]({"gold"})
TEXTS = ("good", "bad", "fair", "fine", "poor")


class Desk(NamedTuple):
    """A queue with the ledger that fills it and the book that reads it, over one state."""

    ledger: Ledger
    queue: TaskQueue
    book: AnswerBook
    work: WorkLog

    def publish(self, *tasks: Task) -> None:
        """Commit these tasks."""
        self.ledger.commit(one.entry(f"publish {[task.id for task in tasks]}", tasks=tasks))

    def want(self, task: str, people: int) -> None:
        """Commit that so many people are wanted for the task; once for each number."""
        self.ledger.commit(one.entry(f"{task} wants {people}", raises=(Raise(task=TaskId(task), wanted=people),)))

    def commit(self, *records: Stored) -> None:
        """Commit these records, under a name that says what they are."""
        self.ledger.commit(Entry(id=CommandId(repr(records)), records=records))

    def claim(
        self,
        annotator: str,
        *,
        count: int = 1,
        strata: frozenset[Stratum] = WORK,
        at: datetime = one.NOW,
        seconds: float = 60,
    ) -> list[str]:
        """The ids of what this person is handed."""
        return self.take(Claim(annotator=annotator, count=count, strata=strata, seconds=seconds), at=at)

    def take(self, claim: Claim, *, at: datetime = one.NOW) -> list[str]:
        """The ids of what this claim brings."""
        return [task.id for task in self.queue.claim(claim, loop=one.LOOP, now=at)]

    def hold(self, annotator: str, *names: str, at: datetime = one.NOW, seconds: float = 60) -> int:
        """How many this person holds once they said that it is these."""
        tasks = frozenset(map(TaskId, names))
        return self.queue.hold(tasks, loop=one.LOOP, annotator=annotator, now=at, seconds=seconds)

    def say(self, annotator: str, task: str, label: str = "positive") -> int:
        """Submit one answer, named after who and what."""
        return self.submit(one.annotation(f"{annotator}-{task}", task=task, annotator=annotator, label=label))

    def submit(self, *annotations: Annotation) -> int:
        """Submit these answers."""
        return self.queue.submit(annotations, loop=one.LOOP)

    def withdraw(self, annotation: str, *, by: str = "ana", at: datetime = one.NOW) -> Task:
        """Undo this answer."""
        return self.queue.withdraw(annotation, loop=one.LOOP, annotator=by, now=at)

    def progress(self) -> Progress:
        """Of cycle 1."""
        return self.book.progress(one.LOOP, cycle=1)

    def standing(self) -> list[str]:
        """Ids of the standing answers of cycle 1."""
        return [annotation.id for annotation in self.book.answers(one.LOOP, cycle=1).annotations]


def tasks(count: int, **changes: object) -> Sequence[Task]:
    """That many tasks ``t0``, ``t1``, ... with different contents."""
    return [one.task(f"t{n}", TEXTS[n], **changes) for n in range(count)]
