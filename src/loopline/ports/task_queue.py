"""Tasks between people: who is asked what, and what they said."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Annotation, Claim, Progress, Skip, Task


class TaskQueue(Protocol):
    """Hands out tasks so that nobody is asked twice and no answer is lost or doubled. All methods are atomic."""

    def claim(self, claim: Claim, *, loop: LoopName, now: datetime) -> tuple[Task, ...]:
        """Lease up to ``claim.count`` open tasks of its strata to its annotator until ``now + claim.seconds``.

        Open: fewer standing answers plus live leases of others, paused ones aside, than wanted, in a batch that has no
        labels and whose cycle is not closed; gold is always open. Never a task that this annotator answered, skipped,
        or was asked about under the same content, and none that asks for a skill or a language that the claim does not
        name. With ``claim.within``, those of that cluster only. With a quota, no more than it leaves of the UTC day of
        ``now``: answers given (gold included, what was taken back not) and live leases count. Highest step of priority
        first, in it those of the cluster of ``claim.like``, then by priority and id. Tasks this annotator already holds
        come first, with the lease renewed. A paused annotator gets none.
        """
        ...

    def hold(self, tasks: frozenset[TaskId], *, loop: LoopName, annotator: str, now: datetime, seconds: float) -> int:
        """Renew the annotator's live leases of these tasks until ``now + seconds``, give all their others back.

        How many are held now. A lease that has run out is renewed only where the task is still open to them. Nothing is
        held of a batch that is over, nor by a paused annotator.
        """
        ...

    def submit(self, annotations: Sequence[Annotation], *, loop: LoopName) -> int:
        """Store answers and return how many were new. Idempotent by annotation id and by (task, annotator).

        An answer whose lease has run out still counts. Raises NotFound for an unknown task; Conflict for an id that
        stands for another task, annotator or label, or for an undone answer. Nothing of a refused call is stored.
        """
        ...

    def skip(self, skip: Skip, *, loop: LoopName) -> None:
        """Give the task back with a reason; this annotator is not asked about it again. Idempotent."""
        ...

    def withdraw(self, annotation: str, *, loop: LoopName, annotator: str, now: datetime) -> Task:
        """Undo an own answer: it no longer stands, stays on record, and the task is leased to its author again.

        Raises NotFound for an unknown answer, Conflict for someone else's or one whose batch is already labelled.
        """
        ...


class Answers(NamedTuple):
    """A batch: its tasks, the answers to them that stand, and who passed."""

    tasks: tuple[Task, ...]
    """Every task of the batch, gold included, by id."""
    annotations: tuple[Annotation, ...]
    """Standing answers only, by (task, id)."""
    skips: tuple[Skip, ...]
    """Who passed on a task, or on its content under another task: they are not asked. By (task, annotator, time)."""


class AnswerBook(Protocol):
    """Reads what people said."""

    def progress(self, loop: LoopName, *, cycle: int) -> Progress:
        """How far the cycle's batch has come."""
        ...

    def answers(self, loop: LoopName, *, cycle: int) -> Answers:
        """The cycle's tasks, standing answers and skips.

        Answers of paused annotators do not stand, gold answers excepted.
        """
        ...

    def given(self, loop: LoopName, *, cycle: int) -> tuple[Annotation, ...]:
        """Every answer to the cycle's tasks by (task, id): also what does not stand, or was undone."""
        ...

    def gold_answers(self, loop: LoopName) -> tuple[tuple[Task, Annotation], ...]:
        """Every answer to a gold task, by anyone, in order of time."""
        ...

    def answered(self, loop: LoopName, annotator: str) -> tuple[int, int]:
        """How many answers this annotator has given, and how many of them to gold."""
        ...
