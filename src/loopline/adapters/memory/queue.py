"""The task queue and the answer book in memory."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from loopline.adapters.memory.state import Answer, Lease, MemoryState
from loopline.errors import Conflict, NotFound
from loopline.ports.task_queue import Answers
from loopline.records.ids import LoopName, TaskId
from loopline.records.task import STEP, Annotation, Claim, Progress, Skip, Task

UNASKED_SECONDS = 300.0
"""The lease after an undone answer to a task that its author never claimed."""


class MemoryTaskQueue:
    """Hands out the tasks of a ``MemoryState``, and reads what people said."""

    def __init__(self, state: MemoryState) -> None:
        self.state = state

    def claim(self, claim: Claim, *, loop: LoopName, now: datetime) -> tuple[Task, ...]:
        """Lease up to ``claim.count`` open tasks of its strata to its annotator until ``now + claim.seconds``."""
        person = claim.annotator
        with self.state.lock:
            if person in self.state.paused(loop):
                return ()
            held, fresh = self._offered(claim, loop=loop, now=now)
            most, more = self._left(claim, loop=loop, now=now)
            held = held[:most]
            given = [*held, *fresh[: min(most - len(held), more)]]
            for task in given:
                until = now + timedelta(seconds=claim.seconds)
                self.state.leases[task.id, person] = Lease(until=until, seconds=claim.seconds)
        return tuple(given)

    def hold(self, tasks: frozenset[TaskId], *, loop: LoopName, annotator: str, now: datetime, seconds: float) -> int:
        """Renew the annotator's live leases of these tasks until ``now + seconds``, give all their others back."""
        with self.state.lock:
            own = [self.state.tasks[name] for name, person in self.state.leases if person == annotator]
            kept = {t.id for t in own if t.id in tasks and t.loop == loop and self._may_hold(t, annotator, now=now)}
            for task in own:
                lease = self.state.leases[task.id, annotator]
                if task.id in kept:
                    lease = Lease(until=now + timedelta(seconds=seconds), seconds=seconds)
                elif task.loop == loop:
                    lease = Lease(until=None, seconds=lease.seconds)
                self.state.leases[task.id, annotator] = lease
        return len(kept)

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

    def _offered(self, claim: Claim, *, loop: LoopName, now: datetime) -> tuple[list[Task], list[Task]]:
        """What its annotator holds, and what is open to them; each in the order in which it is served."""
        person, wished = claim.annotator, self._cluster(claim.like, loop)
        over = self.state.finished(loop)
        named = [t for t in self.state.tasks.values() if t.loop == loop and t.stratum in claim.strata]
        named = [t for t in named if claim.within in ("", t.cluster)]
        queue = sorted(
            named, key=lambda t: (-(t.priority // STEP), not wished or t.cluster != wished, -t.priority, t.id)
        )
        offered = [t for t in queue if t.stratum == "gold" or t.cycle not in over]
        held = [t for t in offered if self._is_held(t.id, person, now=now)]
        fresh = [t for t in offered if t not in held and self._is_open(t, person, now=now)]
        fit = [t for t in fresh if t.skill in ("", *claim.skills) and t.language in ("", *claim.languages)]
        unseen = {t.content: t for t in reversed(fit) if not self._has_seen(t, person)}
        return held, [t for t in fit if unseen.get(t.content) == t]

    def _left(self, claim: Claim, *, loop: LoopName, now: datetime) -> tuple[int, int]:
        """How many tasks may be handed out, and how many that are not held already."""
        most = max(0, claim.count)
        if not claim.quota:
            return most, most
        day = now.astimezone(UTC).date()
        said = [a for a in self.state.answers.values() if a.loop == loop and a.withdrawn is None]
        own = [a.annotation for a in said if a.annotation.annotator == claim.annotator]
        left = max(0, claim.quota - sum(one.at.astimezone(UTC).date() == day for one in own))
        mine = [name for name, person in self.state.leases if person == claim.annotator]
        held = [n for n in mine if self.state.tasks[n].loop == loop and self._is_held(n, claim.annotator, now=now)]
        return min(most, left), max(0, left - len(held))

    def _cluster(self, like: str, loop: LoopName) -> str:
        """The cluster of the task that more like it are wished for; empty: there is none."""
        task = self.state.tasks.get(TaskId(like))
        return task.cluster if task is not None and task.loop == loop else ""

    def _may_hold(self, task: Task, annotator: str, *, now: datetime) -> bool:
        """A live lease, or one that has run out on a task that is still open to its holder; in a batch not over."""
        if annotator in self.state.paused(task.loop):
            return False
        if task.stratum != "gold" and task.cycle in self.state.finished(task.loop):
            return False
        is_free = self._is_open(task, annotator, now=now) and not self._has_seen(task, annotator)
        return self._is_held(task.id, annotator, now=now) or is_free

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
        whose = f"the {kind} of {said.annotator} to task {said.task}"
        if said.annotator != annotation.annotator:  # ids can be guessed, and tell nobody what others did
            whose = "another person's answer"
        raise Conflict(f"answer {annotation.id}", found=f"the id stands for {whose}", expected="a new id")
