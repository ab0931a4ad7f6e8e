from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import msgspec
import pytest

from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.log import MemoryLog
from loopline.capture.stage import Capture, reconcile
from loopline.errors import InvalidRecord, Unavailable
from loopline.ports.prediction_log import Appended
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.testing.factories import prediction
from loopline.testing.prediction_log import failure


class Moody:
    """A real log behind a door that can be shut, be half-deaf, or refuse some rows."""

    def __init__(self) -> None:
        self.log, self.is_open, self.asked = MemoryLog(), Event(), Event()
        self.is_open.set()
        self.says_no_after_yes = 0

    def append(self, predictions: Sequence[Prediction]) -> Appended:
        self.asked.set()
        if not self.is_open.is_set():
            raise Unavailable("prediction log", reason="disk full")
        if odd := [row.id for row in predictions if row.group == "odd"]:
            raise InvalidRecord("prediction log", found=odd[0], expected="none of group odd")
        appended = self.log.append(predictions)
        if self.says_no_after_yes:
            self.says_no_after_yes -= 1
            raise Unavailable("prediction log", reason="the answer was lost on the way")
        return appended

    def find(self, prediction: PredictionId) -> Prediction:
        return self.log.find(prediction)

    def end(self) -> int:
        return self.log.end()

    def tally(self) -> dict[str, int]:
        return self.log.tally()


@contextmanager
def capturing(log: MemoryLog | Moody, counters: MemoryCounters, **settings: float) -> Iterator[Capture]:
    capture = Capture(log, counters=counters, **settings)
    try:
        yield capture
    finally:
        capture.close()


def totals(counters: MemoryCounters) -> dict[str, int]:
    return {name: amount for name, amount in counters.read().items() if amount}


def test_what_is_offered_is_stored_in_order_and_counted():
    log, counters = MemoryLog(), MemoryCounters()
    with capturing(log, counters) as capture:
        for i in range(2_500):
            capture.offer(prediction(f"p{i}"))
    assert log.scores(after=0, until=9_999).id.tolist() == [f"p{i}" for i in range(2_500)]
    assert totals(counters) == {"answered": 2_500, "stored": 2_500}


def test_a_repeated_id_is_answered_twice_and_stored_once():
    log, counters = MemoryLog(), MemoryCounters()
    with capturing(log, counters) as capture:
        capture.offer(prediction("p1", "first"))
        capture.offer(prediction("p1", "second"))
    with capturing(log, counters) as capture:
        capture.offer(prediction("p1", "third"))
    assert totals(counters) == {"answered": 3, "stored": 1, "repeated": 2}
    assert log.find(PredictionId("p1")).inputs == b'"first"'


def test_shadow_answers_are_stored_but_are_nobodys_answer():
    log, counters = MemoryLog(), MemoryCounters()
    with capturing(log, counters) as capture:
        capture.offer(prediction("p1"))
        capture.offer(prediction("p1~v2", arm="shadow", model="v2"))
    assert totals(counters) == {"answered": 1, "stored": 1}
    assert log.tally() == {"incumbent": 1, "shadow": 1}


def test_failures_are_counted_among_the_answers():
    log, counters = MemoryLog(), MemoryCounters()
    with capturing(log, counters) as capture:
        capture.offer(failure("p1~v2", arm="canary"))
        capture.offer(prediction("p1"))
    assert totals(counters) == {"answered": 2, "stored": 2, "failed": 1}


def test_a_log_that_fails_is_tried_again_and_nothing_is_lost():
    log, counters = Moody(), MemoryCounters()
    log.is_open.clear()
    with capturing(log, counters) as capture:
        capture.offer(prediction("p1"))
        assert log.asked.wait(5)
        capture.offer(prediction("p2"))
        for _ in range(500):
            if capture.writer.trouble:
                break
            Event().wait(0.01)
        assert capture.writer.trouble == "prediction log: disk full"
        assert capture.waiting == 2
        log.is_open.set()
    assert totals(counters) == {"answered": 2, "stored": 2}
    assert capture.writer.trouble == ""


def test_while_the_log_fails_the_bounded_buffer_fills_and_the_rest_is_counted_as_dropped():
    log, counters = Moody(), MemoryCounters()
    log.is_open.clear()
    with capturing(log, counters, rows=10) as capture:
        for i in range(25):
            capture.offer(prediction(f"p{i}"))
        capture.offer(prediction("p0~v2", arm="shadow", model="v2"))
        assert capture.waiting == 10
        assert totals(counters) == {"answered": 25, "dropped": 15, "shadow_dropped": 1}
        log.is_open.set()
    assert totals(counters) == {"answered": 25, "stored": 10, "dropped": 15, "shadow_dropped": 1}


def test_closing_on_a_log_that_stays_shut_ends_and_counts_what_is_left():
    log, counters = Moody(), MemoryCounters()
    log.is_open.clear()
    with capturing(log, counters) as capture:
        for i in range(7):
            capture.offer(prediction(f"p{i}"))
    assert totals(counters) == {"answered": 7, "dropped": 7}
    assert capture.waiting == 0


def test_after_closing_an_offer_is_dropped_and_counted():
    log, counters = MemoryLog(), MemoryCounters()
    with capturing(log, counters) as capture:
        pass
    capture.offer(prediction("late"))
    assert totals(counters) == {"answered": 1, "dropped": 1}
    assert log.end() == 0


def test_an_append_that_was_stored_but_not_heard_of_is_no_repetition():
    log, counters = Moody(), MemoryCounters()
    log.says_no_after_yes = 2
    with capturing(log, counters) as capture:
        for i in range(5):
            capture.offer(prediction(f"p{i}"))
    assert totals(counters) == {"answered": 5, "stored": 5}


def test_the_one_row_that_the_log_refuses_does_not_hold_up_the_others():
    log, counters = Moody(), MemoryCounters()
    with capturing(log, counters) as capture:
        for i in range(100):
            capture.offer(prediction(f"p{i}", group="odd" if i in (0, 37, 99) else "even"))
    assert totals(counters) == {"answered": 100, "stored": 97, "dropped": 3}
    assert log.log.scores(after=0, until=999).id.tolist() == [f"p{i}" for i in range(100) if i not in (0, 37, 99)]
    assert capture.writer.refusal == "prediction log: p99, expected none of group odd"


def test_what_sampling_leaves_out_is_counted_and_what_it_keeps_says_so():
    log, counters = MemoryLog(), MemoryCounters()
    with capturing(log, counters, sample=0.3) as capture:
        for i in range(500):
            capture.offer(prediction(f"p{i}"))
            capture.offer(prediction(f"p{i}~v2", arm="shadow", model="v2"))
    found = totals(counters)
    assert found["answered"] == 500 == found["stored"] + found["sampled_out"]
    assert 100 < found["stored"] < 200
    ids = set(log.scores(after=0, until=9_999).id.tolist())
    assert {id_.removesuffix("~v2") for id_ in ids} == {id_ for id_ in ids if "~" not in id_}
    assert log.find(PredictionId(min(ids))).sampled == 0.3


@pytest.mark.parametrize(("answered", "dropped"), [(9, 2), (7, 0)])
def test_a_start_counts_what_the_last_process_took_with_it(answered, dropped):
    log, counters = MemoryLog(), MemoryCounters()
    log.append([prediction(f"p{i}") for i in range(5)])
    for name, amount in {"answered": answered, "stored": 3, "repeated": 2}.items():
        counters.add(name, amount)
    with capturing(log, counters) as capture:
        assert capture.lost == dropped
        capture.offer(prediction("p9"))
    found = counters.read()
    assert found["answered"] == answered + 1 == found["stored"] + found["repeated"] + found["dropped"]
    assert found["dropped"] == dropped
    assert reconcile(counters, log=log) == 0
    assert counters.read() == found


def test_threads_offer_at_once_and_the_law_holds():
    log, counters = MemoryLog(), MemoryCounters()

    def offer(thread: int) -> None:
        for i in range(400):
            capture.offer(prediction(f"p{thread}-{i % 300}"))

    with capturing(log, counters, rows=500) as capture, ThreadPoolExecutor(6) as pool:
        list(pool.map(offer, range(6)))
    found = counters.read()
    assert found["answered"] == 2_400 == found["stored"] + found["repeated"] + found["dropped"]
    assert found["stored"] == log.end()


def test_a_disk_that_fails_once_is_tried_again_and_nothing_is_lost():
    class Failing(Moody):
        troubles = 2

        def append(self, predictions: Sequence[Prediction]) -> Appended:
            if self.troubles:
                self.troubles -= 1
                raise OSError(5, "Input/output error")
            return super().append(predictions)

    log, counters = Failing(), MemoryCounters()
    with capturing(log, counters) as capture:
        capture.offer(prediction("p1"))
    assert totals(counters) == {"answered": 1, "stored": 1}


def test_while_the_log_fails_large_inputs_do_not_fill_the_memory():
    log, counters = Moody(), MemoryCounters()
    log.is_open.clear()
    large = prediction("p", "x" * (1 << 20))
    with capturing(log, counters) as capture:
        for i in range(100):
            capture.offer(msgspec.structs.replace(large, id=f"p{i}"))
        assert capture.waiting == 63
    assert totals(counters) == {"answered": 100, "dropped": 100}


def test_a_failure_in_the_shadow_is_nobodys_failed_answer():
    log, counters = MemoryLog(), MemoryCounters()
    with capturing(log, counters) as capture:
        capture.offer(prediction("p1"))
        capture.offer(failure("p1~v2", arm="shadow", model="v2"))
    assert totals(counters) == {"answered": 1, "stored": 1}
