"""The task queue and the answer book in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from loopline.adapters.memory.state import Answer, Lease, MemoryState
from loopline.errors import Conflict, NotFound
from loopline.ports.task_queue import Answers
from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Annotation, Progress, Skip, Stratum, Task

UNASKED_SECONDS = 300.0
"""The lease after an undone answer to a task that its author never claimed."""


class MemoryTaskQueue:
    """Hands out the tasks of a ``MemoryState``, and reads what people said."""

    def __init__(self, state: MemoryState) -> None:
        self.state = state

    def claim(
        self, loop: LoopName, annotator: str, *, count: int, strata: frozenset[Stratum], now: datetime, seconds: float
    ) -> tuple[Task, ...]:
        """Lease up to ``count`` open tasks of these strata to the annotator until ``now + seconds``."""
        with self.state.lock:
            if annotator in self.state.paused(loop):
                return ()
            over = self.state.finished(loop)
            queue = sorted(self.state.tasks.values(), key=lambda task: (-task.priority, task.id))
            offered = [t for t in queue if t.loop == loop and t.stratum in strata]
            offered = [t for t in offered if t.stratum == "gold" or t.cycle not in over]
            held = [t for t in offered if self._is_held(t.id, annotator, now=now)]
            fresh = [t for t in offered if t not in held and self._is_open(t, annotator, now=now)]
            unseen = {t.content: t for t in reversed(fresh) if not self._has_seen(t, annotator)}
            given = [*held, *(t for t in fresh if unseen.get(t.content) == t)][: max(0, count)]
            for task in given:
                until = now + timedelta(seconds=seconds)
                self.state.leases[task.id, annotator] = Lease(until=until, seconds=seconds)
        return tuple(given)

    def submit(self, annotations: Sequence[Annotation], *, loop: LoopName) -> int:
        """Store answers and return how many were new. Raises NotFound, Conflict, and stores none of them then."""
        with self.state.lock:
            for name in sorted({annotation.task for annotation in annotations}):
                self._task(name, loop)
            new = self._new(annotations, loop)
            for annotation in new:
                self.state.answers[loop, annotation.id] = Answer(annotation=annotation, loop=loop)
                self._end_lease(annotation.task, annotation.annotator)
        return len(new)

    def skip(self, skip: Skip, *, loop: LoopName) -> None:
        """Give the task back with a reason; this annotator is not asked about it again."""
        with self.state.lock:
            self._task(skip.task, loop)
            if (skip.task, skip.annotator) not in self.state.skips:
                self.state.skips[skip.task, skip.annotator] = skip
                self._end_lease(skip.task, skip.annotator)

    def withdraw(self, annotation: str, *, loop: LoopName, annotator: str, now: datetime) -> Task:
        """Undo an own answer and lease its task to its author again, for as long as the lease before.

        A second time it changes nothing. Raises NotFound for an unknown answer, Conflict for someone else's or one
        whose batch is already labelled.
        """
        with self.state.lock:
            answer = self.state.answers.get((loop, annotation))
            if answer is None:
                raise NotFound("answer", annotation)
            if answer.annotation.annotator != annotator:
                raise Conflict(f"answer {annotation}", found="another annotator's", expected=f"one by {annotator}")
            task = self._task(answer.annotation.task, loop)
            if answer.withdrawn is not None:
                return task
            if task.cycle in self.state.labelled(loop):
                found, expected = f"the batch of cycle {task.cycle} is labelled", "an open batch"
                raise Conflict(f"answer {annotation}", found=found, expected=expected)
            answer.withdrawn = now
            before = self.state.leases[task.id, annotator].seconds
            until = now + timedelta(seconds=before)
            self.state.leases[task.id, annotator] = Lease(until=until, seconds=before)
        return task

    def progress(self, loop: LoopName, *, cycle: int) -> Progress:
        """How far the cycle's batch has come."""
        with self.state.lock:
            batch = self._batch(loop, cycle)
            answers = {task.id: len(self.state.standing(task)) for task in batch}
        awaited = [task for task in batch if task.stratum != "gold"]
        counts: dict[str, tuple[int, int]] = {}
        for task in awaited:
            done, tasks = counts.get(task.stratum, (0, 0))
            counts[task.stratum] = (done + (answers[task.id] >= task.wanted), tasks + 1)
        return Progress(
            tasks=len(awaited),
            done=sum(done for done, _ in counts.values()),
            annotations=sum(answers.values()),
            by_stratum=dict(sorted(counts.items())),
        )

    def answers(self, loop: LoopName, *, cycle: int) -> Answers:
        """The cycle's tasks, standing answers and skips."""
        with self.state.lock:
            tasks = self._batch(loop, cycle)
            said = [annotation for task in tasks for annotation in self.state.standing(task)]
            skips = [skip for task in tasks for skip in self.state.passed(task)]
        return Answers(
            tasks=tasks,
            annotations=tuple(sorted(said, key=lambda one: (one.task, one.id))),
            skips=tuple(sorted(skips, key=lambda one: (one.task, one.annotator, one.at, one.reason))),
        )

    def given(self, loop: LoopName, *, cycle: int) -> tuple[Annotation, ...]:
        """Every answer to the cycle's tasks: also what does not stand, or was undone."""
        with self.state.lock:
            batch = {task.id for task in self._batch(loop, cycle)}
            said = [a.annotation for a in self.state.answers.values() if a.annotation.task in batch]
        return tuple(sorted(said, key=lambda one: (one.task, one.id)))

    def gold_answers(self, loop: LoopName) -> tuple[tuple[Task, Annotation], ...]:
        """Every answer to a gold task that was not undone, by anyone, in order of time."""
        with self.state.lock:
            gold = [task for task in self.state.tasks.values() if task.loop == loop and task.stratum == "gold"]
            said = [(task, annotation) for task in gold for annotation in self.state.given(task.id)]
        return tuple(sorted(said, key=lambda pair: (pair[1].at, pair[1].id)))

    def answered(self, loop: LoopName, annotator: str) -> tuple[int, int]:
        """How many answers this annotator has given and not undone, and how many of them to gold."""
        with self.state.lock:
            standing = [a for a in self.state.answers.values() if a.loop == loop and a.withdrawn is None]
            own = [self.state.tasks[a.annotation.task] for a in standing if a.annotation.annotator == annotator]
        return len(own), sum(task.stratum == "gold" for task in own)

    def _batch(self, loop: LoopName, cycle: int) -> tuple[Task, ...]:
        own = (task for task in self.state.tasks.values() if task.loop == loop and task.cycle == cycle)
        return tuple(sorted(own, key=lambda task: task.id))

    def _task(self, name: TaskId, loop: LoopName) -> Task:
        task = self.state.tasks.get(name)
        if task is None or task.loop != loop:
            raise NotFound("task", name)
        return task

    def _is_held(self, task: TaskId, annotator: str, *, now: datetime) -> bool:
        lease = self.state.leases.get((task, annotator))
        return lease is not None and lease.until is not None and lease.until > now

    def _is_open(self, task: Task, annotator: str, *, now: datetime) -> bool:
        """Fewer standing answers plus live leases of others than wanted; what a paused person holds is not awaited."""
        away = {annotator} | self.state.paused(task.loop)
        holders = {person for name, person in self.state.leases if name == task.id} - away
        held = sum(self._is_held(task.id, person, now=now) for person in holders)
        return task.stratum == "gold" or len(self.state.standing(task)) + held < task.wanted

    def _has_seen(self, task: Task, annotator: str) -> bool:
        """Answered, skipped, or asked about the same content under another task."""
        asked = (self.state.tasks[name] for name, person in self.state.leases if person == annotator)
        return (
            any(one.annotator == annotator for one in self.state.given(task.id))
            or (task.id, annotator) in self.state.skips
            or any(o.content == task.content and o.loop == task.loop and o.id != task.id for o in asked)
        )

    def _new(self, annotations: Sequence[Annotation], loop: LoopName) -> list[Annotation]:
        """Those that are no repeats. Raises Conflict for an id that stands for another answer."""
        known = {name: answer for (own, name), answer in self.state.answers.items() if own == loop}
        given = {(a.annotation.task, a.annotation.annotator) for a in known.values() if a.withdrawn is None}
        new = []
        for one in annotations:
            if one.id in known:
                _check_repeat(one, known[one.id])
            elif (one.task, one.annotator) not in given:
                known[one.id] = Answer(annotation=one, loop=loop)
                given.add((one.task, one.annotator))
                new.append(one)
        return new

    def _end_lease(self, task: TaskId, annotator: str) -> None:
        """Nothing is held any more, and the person counts as asked, even when they answered without a claim."""
        before = self.state.leases.get((task, annotator))
        seconds = before.seconds if before else UNASKED_SECONDS
        self.state.leases[task, annotator] = Lease(until=None, seconds=seconds)


def _check_repeat(annotation: Annotation, known: Answer) -> None:
    """Raise Conflict unless the id stands for this very answer."""
    said, is_undone = known.annotation, known.withdrawn is not None
    told = said.task, said.annotator, said.label
    if is_undone or told != (annotation.task, annotation.annotator, annotation.label):
        kind = "undone answer" if is_undone else "answer"
        found = f"the id stands for the {kind} of {said.annotator} to task {said.task}"
        raise Conflict(f"answer {annotation.id}", found=found, expected="a new id")
