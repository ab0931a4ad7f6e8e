"""What goes wrong is tried again, ever more slowly, and for as long as it takes."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.memory.state import MemoryState
from loopline.errors import Unavailable
from loopline.orchestrate.runner import PATIENCE, REVIEW_REST, Runner
from loopline.ports.columns import Sift, Sketch
from loopline.ports.task_queue import Answers
from loopline.records.cycle import Cycle
from loopline.records.dataset import LabelledRow
from loopline.records.ids import LoopName
from loopline.records.settings import TrainSettings
from loopline.testing.factories import LOOP, NOW, annotation, cadence, cycle, entry, prediction, settings, split, task
from loopline.testing.rooms import Rooms, rooms


def test_what_fails_a_thousand_times_is_still_tried_once_a_minute() -> None:
    tries = list[int]()

    def broken() -> Sequence[LabelledRow]:
        tries.append(1)
        raise ValueError("line 7: no label")

    clock = ManualClock(NOW)
    house = rooms(now=NOW, clock=clock, base=broken, settings=settings(train=TrainSettings(base="base.jsonl")))
    runner = Runner(house)
    for _ in range(1_200):
        clock.advance(PATIENCE)
        runner.tick()
    assert len(tries) == 1_200
    clock.advance(PATIENCE - 1)
    runner.tick()
    assert len(tries) == 1_200
    assert runner.situation().trouble == "ImportBase failed 1200 times: line 7: no label"
    assert clock.now() == NOW + timedelta(seconds=1_201 * PATIENCE - 1)


class Faulty(MemoryLog):
    """A log whose pool cannot be read as often as there are troubles."""

    def __init__(self, *troubles: Exception) -> None:
        super().__init__()
        self.troubles, self.reads = list(troubles), 0
        self.append([prediction(f"p{i}", f"text {i}") for i in range(30)])

    def survey(self, sift: Sift, *, after: int, until: int) -> Iterator[Sketch]:
        self.reads += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return super().survey(sift, after=after, until=until)


def selecting(log: Faulty, clock: ManualClock) -> Rooms:
    """A house in which cycle 1 is to select from this log."""
    house = rooms(now=NOW, clock=clock, log=log)
    house.ledger.commit(entry("e", cycle(1), split(), cadence()))
    return house


def test_a_command_of_a_cycle_is_tried_three_times_with_growing_rests_and_then_the_cycle_ends() -> None:
    log, clock = Faulty(*[ValueError("odd row")] * 9), ManualClock(NOW)
    house, reads = selecting(log, clock), list[int]()
    runner = Runner(house)
    for _ in range(8):
        clock.advance(0.5)
        runner.tick()
        reads.append(log.reads)
    assert reads == [1, 1, 2, 2, 2, 2, 3, 3]
    (ended,) = house.ledger.all(Cycle, LOOP)
    assert (ended.phase, ended.outcome) == ("closed", "failed")
    assert ended.outcome_reason.startswith("Select failed 3 times: odd row\n")


def test_what_failed_once_and_then_works_leaves_no_trouble_behind() -> None:
    log, clock = Faulty(ValueError("odd row")), ManualClock(NOW)
    house = selecting(log, clock)
    runner = Runner(house)
    runner.tick()
    assert runner.situation().trouble == "Select failed 1 times: odd row"
    clock.advance(1)
    runner.tick()
    assert house.ledger.all(Cycle, LOOP)[0].phase == "selected"
    assert runner.situation().trouble == ""


def test_a_part_that_is_away_costs_no_try_however_long_it_is_away() -> None:
    log, clock = Faulty(*[Unavailable("prediction log", reason="disk full")] * 20), ManualClock(NOW)
    house = selecting(log, clock)
    runner = Runner(house)
    for _ in range(20):
        assert runner.tick() == ()
    assert (house.ledger.all(Cycle, LOOP)[0].phase, runner.situation().trouble) == ("open", "")
    assert [type(command).__name__ for command in runner.tick()] == ["Select"]


class SlowBook(MemoryTaskQueue):
    """A book that takes two seconds to read a batch."""

    def __init__(self, state: MemoryState, clock: ManualClock) -> None:
        super().__init__(state)
        self._clock, self.reads = clock, 0

    def answers(self, loop: LoopName, *, cycle: int) -> Answers:
        self.reads += 1
        self._clock.advance(2)
        return super().answers(loop, cycle=cycle)


def test_a_review_that_takes_long_rests_long_before_the_next_however_many_answer() -> None:
    clock, ledger = ManualClock(NOW), MemoryLedger()
    book = SlowBook(ledger.state, clock)
    house = rooms(now=NOW, clock=clock, ledger=ledger, queue=book, book=book)
    tasks = tuple(task(f"t{n}", f"text {n}") for n in range(99))
    ledger.commit(entry("e", cycle(1, phase="published", published_at=NOW), split(), cadence(), tasks=tasks))
    runner, reads = Runner(house), list[int]()
    for n in range(99):
        book.submit([annotation(f"a{n}", task=f"t{n}", at=clock.now())], loop=LOOP)
        runner.tick()
        clock.advance(1)
        reads.append(book.reads)
    rest = 2 * REVIEW_REST
    assert (reads[0], reads[rest - 1], reads[rest], reads[2 * rest - 1], reads[2 * rest]) == (1, 1, 2, 2, 3)
