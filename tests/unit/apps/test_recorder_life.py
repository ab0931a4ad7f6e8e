"""Whether the recorder lives and works, as seen from outside, on a clock that the test holds."""

from datetime import UTC, datetime

from loopline.adapters.memory.frames import MemoryFrames
from loopline.apps.recorder.life import Life, Stall, Standstill, stalled


class Seconds:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_death_is_told_until_the_next_one_has_lived_for_ten_minutes():
    seconds = Seconds()
    life = Life(now=seconds)
    assert life.sentence() == ""
    seconds.now = 5_000.0
    life.died()
    life.begins()
    assert life.sentence() == "the recorder died once; it is started again"
    seconds.now = 5_599.0
    life.died()
    life.begins()
    assert life.sentence() == "the recorder died 2 times; it is started again"
    seconds.now = 6_198.0
    assert life.sentence()
    seconds.now = 6_199.0
    assert life.sentence() == ""


def test_frames_that_wait_for_ten_seconds_with_none_removed_are_a_standstill():
    seconds, queue = Seconds(), MemoryFrames(size=100)
    stall = Stall(queue, now=seconds)
    for _ in range(2):
        queue.put(b"x")
    assert stall.look() is None
    seconds.now = 9.0
    queue.put(b"x")
    assert stall.look() is None
    seconds.now = 10.0
    found = stall.look()
    assert found is not None
    assert (found.removed, found.began, found.waiting) == (0, 0.0, 2)
    seconds.now = 99.0
    assert stall.look() == found
    queue.remove(1)
    assert stall.look() is None


def test_a_queue_that_is_emptied_slowly_or_was_empty_is_no_standstill():
    seconds, queue = Seconds(), MemoryFrames(size=100)
    stall = Stall(queue, now=seconds)
    for _ in range(5):
        queue.put(b"x")
        queue.put(b"x")
        seconds.now += 9.0
        assert stall.look() is None
        queue.remove(1)
    queue.remove(len(queue))
    assert stall.look() is None
    seconds.now += 3_600.0
    queue.put(b"x")
    assert stall.look() is None
    seconds.now += 9.0
    assert stall.look() is None


def test_the_sentence_says_since_when_how_many_wait_and_what_to_do():
    found = Standstill(7, 0.0, datetime(2026, 1, 5, 14, 3, 7, tzinfo=UTC), 1)
    assert stalled(found, process=12).startswith(
        "the recorder (process 12) has taken nothing since 14:03:07 UTC, when 1 batch of answers waited: it was stopped"
    )
