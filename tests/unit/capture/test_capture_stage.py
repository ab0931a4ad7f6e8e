from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest

from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.frames import MemoryFrames
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.objects import MemoryObjects
from loopline.apps.recorder.opening import recording_rules
from loopline.apps.recorder.reconciling import reconcile
from loopline.capture.framing import framed
from loopline.capture.stage import Capture, Recorder
from loopline.errors import InvalidRecord, Unavailable
from loopline.ports.prediction_log import Appended
from loopline.records.ids import Digest, PredictionId
from loopline.records.prediction import Prediction
from loopline.records.settings import CaptureSettings
from loopline.testing.exchanges import exchange, failed_exchange, turn
from loopline.testing.factories import prediction, settings


class Moody:
    """A real log behind a door that can be shut, be half-deaf, or refuse some rows."""

    def __init__(self) -> None:
        self.log, self.is_open = MemoryLog(), Event()
        self.is_open.set()
        self.says_no_after_yes = 0
        self.error: Exception = Unavailable("prediction log", reason="disk full")

    def append(self, predictions: Sequence[Prediction]) -> Appended:
        if not self.is_open.is_set():
            raise self.error
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


class Shop:
    """Both ends of capture over one queue in memory."""

    def __init__(self, *, size: int = 16 << 20, **capture: object) -> None:
        self.settings = settings(capture=CaptureSettings(**capture))
        self.queue, self.counters, self.log = MemoryFrames(size=size), MemoryCounters(), Moody()
        self.objects = MemoryObjects()
        self.capture = Capture(self.queue, counters=self.counters)

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        rules = recording_rules(self.settings, secret=b"secret")
        parts = {"log": self.log, "objects": self.objects, "counters": self.counters}
        recorder = Recorder(self.queue, rules=rules, **parts)
        try:
            yield recorder
        finally:
            recorder.close()

    @property
    def totals(self) -> dict[str, int]:
        return {name: amount for name, amount in self.counters.read().items() if amount}

    @property
    def ids(self) -> list[str]:
        return self.log.log.scores(after=0, until=99_999).id.tolist()


def until(happened: Callable[[], object]) -> None:
    for _ in range(1_000):
        if happened():
            return
        Event().wait(0.01)
    raise AssertionError("it never happened")


def test_what_is_offered_is_stored_in_order_and_counted():
    shop = Shop()
    with shop.recording():
        assert [shop.capture.offer(exchange(f"p{i}")) for i in range(2_500)] == list(range(1, 2_501))
    assert shop.ids == [f"p{i}" for i in range(2_500)]
    assert shop.totals == {"answered": 2_500, "stored": 2_500}
    assert shop.capture.waiting == 0


def test_an_offer_is_settled_once_the_log_holds_it():
    shop = Shop()
    place = shop.capture.offer(exchange("p1", "a", "b"))
    assert (place, shop.capture.is_settled(place), shop.capture.waiting) == (1, False, 1)
    with shop.recording():
        until(lambda: shop.capture.is_settled(place))
        assert shop.ids == ["p1/0", "p1/1"]
        assert shop.totals == {"answered": 2, "stored": 2}


def test_a_repeated_id_is_answered_twice_and_stored_once():
    shop = Shop()
    for _ in range(2):
        with shop.recording():
            shop.capture.offer(exchange("p1", "first", "second"))
            shop.capture.offer(exchange("p1", "third", "fourth"))
    assert shop.totals == {"answered": 8, "stored": 2, "repeated": 6}
    assert shop.log.find(PredictionId("p1/0")).inputs == b'"first"'


def test_shadow_answers_are_stored_but_are_nobodys_answer():
    shop = Shop()
    with shop.recording():
        shop.capture.offer(exchange("p1"))
        shop.capture.offer(exchange("p1", arm="shadow", model="v2"))
        shop.capture.offer(failed_exchange("p1", arm="shadow", model="v3"))
    assert shop.totals == {"answered": 1, "stored": 1}
    assert shop.log.tally() == {"incumbent": 1, "shadow": 2}


def test_failures_are_counted_among_the_answers():
    shop = Shop()
    with shop.recording():
        shop.capture.offer(failed_exchange("p1", "a", "b", arm="canary", model="v2"))
        shop.capture.offer(exchange("p1", "a", "b"))
    assert shop.totals == {"answered": 4, "stored": 4, "failed": 2}


@pytest.mark.parametrize("error", [Unavailable("prediction log", reason="disk full"), OSError(5, "Input/output error")])
def test_a_log_that_fails_is_tried_again_and_nothing_is_lost(error):
    shop = Shop()
    shop.log.error = error
    shop.log.is_open.clear()
    with shop.recording() as recorder:
        shop.capture.offer(exchange("p1"))
        until(lambda: recorder.trouble)
        assert recorder.trouble == str(error)
        shop.capture.offer(exchange("p2"))
        assert shop.capture.waiting == 2
        shop.log.is_open.set()
        until(lambda: not recorder.trouble)
    assert shop.totals == {"answered": 2, "stored": 2}


def test_an_object_store_that_fails_is_waited_for_like_the_log():
    shop = Shop(payload_bytes=10)

    class Away(MemoryObjects):
        is_away = True

        def put(self, content: bytes) -> Digest:
            if self.is_away:
                raise Unavailable("object store", reason="away")
            return super().put(content)

    shop.objects = Away()
    with shop.recording() as recorder:
        shop.capture.offer(exchange("small", "x"))
        shop.capture.offer(exchange("large", "x" * 100))
        until(lambda: recorder.trouble)
        assert (recorder.trouble, shop.ids) == ("object store: away", [])
        shop.objects.is_away = False
    assert shop.ids == ["small", "large"]
    assert shop.objects.get(shop.log.find(PredictionId("large")).payload) == b'"' + b"x" * 100 + b'"'
    assert shop.totals == {"answered": 2, "stored": 2}


def test_while_the_log_fails_the_bounded_queue_fills_and_the_rest_is_counted_as_dropped():
    shop = Shop(size=64 << 10)
    shop.log.is_open.clear()
    with shop.recording():
        places = [shop.capture.offer(exchange(f"p{i}", "x" * 1_000, "y")) for i in range(100)]
        waiting = shop.capture.waiting
        assert 40 < waiting < 64
        assert sum(map(bool, places)) == waiting
        assert shop.totals == {"answered": 200, "dropped": 200 - 2 * waiting}
        assert shop.capture.offer(exchange("p0", "x" * 2_000, arm="shadow", model="v2")) == 0
        shop.log.is_open.set()
    assert shop.totals == {
        "answered": 200,
        "stored": 2 * waiting,
        "dropped": 200 - 2 * waiting,
        "shadow_dropped": 1,
    }


@pytest.mark.slow
def test_closing_on_a_log_that_stays_shut_ends_and_what_is_left_waits_for_the_next_start():
    shop = Shop()
    shop.log.is_open.clear()
    with shop.recording():
        for i in range(7):
            shop.capture.offer(exchange(f"p{i}"))
    assert (shop.totals, shop.capture.waiting) == ({"answered": 7}, 7)
    shop.log.is_open.set()
    assert reconcile(shop.queue, log=shop.log, counters=shop.counters) == 0
    with shop.recording():
        pass
    assert shop.totals == {"answered": 7, "stored": 7}


def test_after_closing_an_offer_is_dropped_and_counted():
    shop = Shop()
    shop.capture.close()
    assert shop.capture.offer(exchange("late", "a", "b")) == 0
    assert (shop.totals, len(shop.queue)) == ({"answered": 2, "dropped": 2}, 0)


def test_an_input_that_cannot_be_written_down_is_dropped_and_raises_nothing():
    shop = Shop()
    assert shop.capture.offer(exchange("p1", "caf\udce9")) == 0
    assert shop.totals == {"answered": 1, "dropped": 1}


def test_an_append_that_was_stored_but_not_heard_of_is_no_repetition():
    shop = Shop()
    shop.log.says_no_after_yes = 2
    with shop.recording():
        for i in range(5):
            shop.capture.offer(exchange(f"p{i}"))
    assert shop.totals == {"answered": 5, "stored": 5}


def test_the_one_exchange_that_the_log_refuses_does_not_hold_up_the_others():
    shop = Shop()
    for i in range(100):
        shop.capture.offer(exchange(f"p{i}", group="odd" if i in (0, 37, 99) else "even"))
    with shop.recording() as recorder:
        until(lambda: not shop.capture.waiting)
    assert shop.totals == {"answered": 100, "stored": 97, "dropped": 3}
    assert shop.ids == [f"p{i}" for i in range(100) if i not in (0, 37, 99)]
    assert recorder.refusal == "prediction log: p99, expected none of group odd"
    assert recorder.trouble == ""


def test_requests_that_were_answered_together_are_stored_each_under_its_own_id_and_counted_by_rows():
    shop = Shop()
    place = shop.capture.offer(turn(exchange("p1"), exchange("p2", "a", "b", group="ana"), exchange("p3")))
    with shop.recording():
        until(lambda: shop.capture.is_settled(place))
    assert shop.ids == ["p1", "p2/0", "p2/1", "p3"]
    assert shop.log.find(PredictionId("p2/1")).group == "ana"
    assert shop.totals == {"answered": 4, "stored": 4}


def test_the_one_request_of_many_that_the_log_refuses_takes_no_other_along():
    shop = Shop()
    groups = ["odd" if i in (0, 37, 99) else "even" for i in range(100)]
    shop.capture.offer(turn(*(exchange(f"p{i}", group=group) for i, group in enumerate(groups))))
    shop.capture.offer(exchange("later"))
    with shop.recording() as recorder:
        until(lambda: not shop.capture.waiting)
    assert shop.ids == [*(f"p{i}" for i in range(100) if i not in (0, 37, 99)), "later"]
    assert shop.totals == {"answered": 101, "stored": 98, "dropped": 3}
    assert recorder.trouble == ""


def test_a_log_that_fails_while_a_refused_turn_is_looked_through_is_tried_again():
    shop = Shop()
    shop.capture.offer(turn(exchange("p1"), exchange("p2", group="odd"), exchange("p3")))
    shop.log.says_no_after_yes = 3
    with shop.recording():
        until(lambda: not shop.capture.waiting)
    assert shop.ids == ["p1", "p3"]
    assert shop.totals == {"answered": 3, "stored": 2, "dropped": 1}


def test_frames_that_tell_nothing_are_dropped_and_counted():
    shop = Shop()
    for number, frame in enumerate([b"", b"noise", b"\x93\x01\x02"]):
        shop.capture.offer(exchange(f"p{number}"))
        shop.counters.add("answered")
        shop.queue.put(frame)
    shop.capture.offer(exchange("p9", "a", "b", rows=5))
    with shop.recording() as recorder:
        until(lambda: not shop.capture.waiting)
    assert shop.ids == ["p0", "p1", "p2"]
    assert shop.totals == {"answered": 11, "stored": 3, "dropped": 8}
    assert recorder.refusal == "exchange p9: 2 inputs, expected 5"


def test_a_time_that_no_calendar_has_is_refused_and_not_fatal():
    shop = Shop()
    with shop.recording() as recorder:
        shop.capture.offer(exchange("p1", at_us=1 << 62))
        shop.capture.offer(exchange("p2"))
        until(lambda: not shop.capture.waiting)
        assert recorder.is_alive
    assert (shop.ids, shop.totals) == (["p2"], {"answered": 2, "stored": 1, "dropped": 1})


def test_a_batch_is_bounded_in_bytes():
    shop = Shop(payload_bytes=1 << 30)
    sizes: list[int] = []

    class Measured(Moody):
        def append(self, predictions: Sequence[Prediction]) -> Appended:
            sizes.append(sum(len(row.inputs) for row in predictions))
            return super().append(predictions)

    shop.log = Measured()
    for i in range(12):
        shop.capture.offer(exchange(f"p{i}", "x" * (1 << 20)))
    assert shop.capture.waiting == 12
    with shop.recording():
        pass
    assert 1 << 20 < max(sizes) <= 2 << 20
    assert shop.totals == {"answered": 12, "stored": 12}


def test_threads_offer_at_once_and_the_law_holds():
    shop = Shop(size=256 << 10)

    def offer(thread: int) -> None:
        for i in range(400):
            shop.capture.offer(exchange(f"p{thread}-{i % 300}"))

    with shop.recording(), ThreadPoolExecutor(6) as pool:
        list(pool.map(offer, range(6)))
    found = shop.counters.read()
    assert found["answered"] == 2_400 == found["stored"] + found["repeated"] + found["dropped"]
    assert found["stored"] == shop.log.end()


@pytest.mark.parametrize(("answered", "lost"), [(9, 2), (7, 0)])
def test_a_start_counts_what_the_last_process_took_with_it(answered, lost):
    shop = Shop()
    shop.log.append([prediction(f"p{i}") for i in range(5)])
    for name, amount in {"answered": answered, "stored": 3, "repeated": 2}.items():
        shop.counters.add(name, amount)
    assert reconcile(shop.queue, log=shop.log, counters=shop.counters) == lost
    with shop.recording():
        shop.capture.offer(exchange("p9"))
    found = shop.counters.read()
    assert found["answered"] == answered + 1 == found["stored"] + found["repeated"] + found["dropped"]
    assert found["dropped"] == lost
    assert reconcile(shop.queue, log=shop.log, counters=shop.counters) == 0
    assert shop.counters.read() == found


def test_what_waits_at_a_start_is_not_lost():
    shop = Shop()
    shop.counters.add("answered", 3)  # of which nothing is left
    for i in range(4):
        shop.capture.offer(exchange(f"p{i}", "a", "b"))
    shop.capture.offer(exchange("p9", arm="shadow", model="v2"))
    assert reconcile(shop.queue, log=shop.log, counters=shop.counters) == 3
    with shop.recording():
        pass
    assert shop.totals == {"answered": 11, "stored": 8, "dropped": 3}


@pytest.mark.parametrize("waits", [4, 2])
def test_a_batch_that_was_stored_before_the_kill_and_not_counted_is_counted_once(waits):
    # Four rows of which one repeats an older one; the kill came before the count, and, of the older half, after
    # their frames had left the queue, which only a power cut can do.
    shop = Shop()
    shop.log.append([prediction("p0")])
    shop.counters.add("answered", 5)
    shop.counters.add("stored", 1)
    shop.log.append([prediction(f"p{i}") for i in range(4)])
    for i in range(4 - waits, 4):
        shop.queue.put(framed(exchange(f"p{i}")))
    lost = reconcile(shop.queue, log=shop.log, counters=shop.counters)
    with shop.recording():
        pass
    found = shop.counters.read()
    assert found["stored"] == 4
    assert found["answered"] == 5 == found["stored"] + found["repeated"] + found["dropped"]
    assert (found["repeated"], lost) == ((1, 0) if waits == 4 else (0, 1))


def test_a_batch_that_was_counted_before_the_kill_leaves_the_queue_uncounted():
    shop = Shop()
    for i in range(5):
        shop.capture.offer(exchange(f"p{i}"))
    shop.log.append([prediction(f"p{i}") for i in range(3)])
    shop.counters.settle({"stored": 3}, through=3)
    assert reconcile(shop.queue, log=shop.log, counters=shop.counters) == 0
    with shop.recording():
        pass
    assert shop.totals == {"answered": 5, "stored": 5}
    assert shop.counters.settled() == 0
