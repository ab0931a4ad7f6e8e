"""Where answers from elsewhere are stored, many at a time; where some are refused, it finds out which."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from msgspec import structs

from loopline.apps.tasks.account import Tally
from loopline.errors import Conflict, LooplineError, NotFound
from loopline.ports.clock import Clock
from loopline.ports.ledger import Ledger
from loopline.ports.task_queue import AnswerBook, TaskQueue
from loopline.ports.work_log import WorkLog
from loopline.records.cycle import Cycle
from loopline.records.ids import TaskId
from loopline.records.settings import Settings
from loopline.records.task import Annotation, Skip

LATEST: Final = 10_000
"""Answers of one person among which a corrected one is looked for."""


class Rooms(Protocol):
    """What taking in answers needs of the house."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def clock(self) -> Clock:
        """Tells the time."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Every stored record."""
        ...

    @property
    def queue(self) -> TaskQueue:
        """Takes answers."""
        ...

    @property
    def book(self) -> AnswerBook:
        """Reads what people said."""
        ...

    @property
    def work(self) -> WorkLog:
        """Reads what each person did."""
        ...


class Given(NamedTuple):
    """An answer that is checked, with the row that it stands in."""

    row: int
    answer: Annotation
    passed: Skip | None = None
    """Set where the task was passed on instead."""


class Desk:
    """Stores answers, many at a time; where some are refused, it finds out which."""

    def __init__(self, house: Rooms, tally: Tally) -> None:
        self._house, self._tally = house, tally
        self._loop = house.settings.name
        self._passed: dict[str, set[TaskId]] = {}

    def take(self, given: Sequence[Given]) -> None:
        """Store these answers."""
        if not given:
            return
        try:
            new = self._house.queue.submit([one.answer for one in given], loop=self._loop)
        except (NotFound, Conflict) as error:
            if len(given) == 1:
                self._mend(given[0], error)
                return
            middle = len(given) // 2
            self.take(given[:middle])
            self.take(given[middle:])
        else:
            self._tally.stored += new
            self._tally.repeated += len(given) - new

    def pass_on(self, row: int, skip: Skip) -> None:
        """Store that a person passed a task on."""
        if skip.annotator not in self._passed:
            before = self._house.work.passed(self._loop, annotator=skip.annotator, newest=LATEST)
            self._passed[skip.annotator] = {one.task for one in before}
        if skip.task in self._passed[skip.annotator]:
            self._tally.repeated += 1
            return
        try:
            self._store(skip)
        except NotFound as error:
            self._tally.refuse(row, str(error))
        else:
            self._passed[skip.annotator].add(skip.task)
            self._tally.passed += 1

    def _store(self, skip: Skip) -> None:
        self._house.queue.skip(skip, loop=self._loop)

    def _mend(self, given: Given, error: NotFound | Conflict) -> None:
        """Store an answer that was changed where it comes from, in the place of its earlier self."""
        try:
            is_new = isinstance(error, Conflict) and self._corrected(given.answer)
        except LooplineError as trouble:
            self._tally.refuse(given.row, str(trouble))
            return
        if is_new is None or isinstance(error, NotFound):
            self._tally.refuse(given.row, str(error))
        elif is_new:
            self._tally.corrected += 1
        else:
            self._tally.repeated += 1

    def _corrected(self, answer: Annotation) -> bool | None:
        """Whether the answer now stands in the place of an earlier one; None when there is none to take back."""
        work = self._house.work.work(self._loop, annotator=answer.annotator, newest=LATEST)
        of_task = (one.annotation for one in work if one.task.id == answer.task and one.undone_at is None)
        stands = next((one for one in of_task if one.id.partition("@")[0] == answer.id), None)
        if stands is None:
            return None
        if stands.label == answer.label or stands.at >= answer.at:
            return False
        now = self._house.clock.now()
        self._house.queue.withdraw(stands.id, loop=self._loop, annotator=answer.annotator, now=now)
        revised = structs.replace(answer, id=f"{answer.id}@{answer.at.isoformat()}")
        return bool(self._house.queue.submit([revised], loop=self._loop))


class Dry(Desk):
    """Only says what would become of the answers."""

    def __init__(self, house: Rooms, tally: Tally) -> None:
        super().__init__(house, tally)
        self._tasks: set[str] = set()
        self._ids: dict[str, Annotation] = {}
        self._answered: set[tuple[str, str]] = set()
        for cycle in house.ledger.all(Cycle, self._loop):
            said = house.book.answers(self._loop, cycle=cycle.number)
            self._tasks |= {task.id for task in said.tasks}
            self._ids |= {one.id: one for one in house.book.given(self._loop, cycle=cycle.number)}
            self._answered |= {(one.task, one.annotator) for one in said.annotations}

    def take(self, given: Sequence[Given]) -> None:
        """Count these answers."""
        for one in given:
            self._take(one)

    def _store(self, skip: Skip) -> None:
        if skip.task not in self._tasks:
            raise NotFound("task", skip.task)

    def _take(self, given: Given) -> None:
        answer = given.answer
        known = self._ids.get(answer.id)
        if answer.task not in self._tasks:
            self._tally.refuse(given.row, str(NotFound("task", answer.task)))
        elif known is None and (answer.task, answer.annotator) not in self._answered:
            self._ids[answer.id] = answer
            self._answered.add((answer.task, answer.annotator))
            self._tally.stored += 1
        elif known is None or (known.task, known.label) == (answer.task, answer.label) or known.at >= answer.at:
            self._tally.repeated += 1
        else:
            self._tally.corrected += 1
