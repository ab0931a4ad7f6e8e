"""The queue of answers that nobody waits for: bounded in requests and in rows, and whatever is lost is counted."""

import pytest

from loopline.serve.question import Asked, Question
from loopline.serve.shadow import TOGETHER, WAITING_REQUESTS, WAITING_ROWS, Shadow


class Line:
    """A shadow whose versions answer each question with itself."""

    def __init__(self) -> None:
        self.recorded: list[Asked] = []
        self.together: list[tuple[object, int]] = []
        self.dropped = 0
        self.shadow = Shadow(self.ask, drop=self.drop)

    @property
    def rows(self) -> int:
        return sum(len(asked.question.rows) for asked in self.recorded)

    def ask(self, loaded: object, asked: list[Asked]) -> list[Asked]:
        self.together.append((loaded, len(asked)))
        self.recorded += asked
        return asked

    def drop(self, rows: int) -> None:
        self.dropped += rows

    def offer(self, *rows: int) -> None:
        for count in rows:
            self.shadow.offer(None, question=Question(id="r", rows=("x",) * count))

    def work_off(self) -> None:
        self.shadow.close(lambda _: self.shadow.run(), patience=0)


def test_large_requests_do_not_fill_the_memory_while_the_challenger_is_slow():
    line, half = Line(), WAITING_ROWS // 2
    line.offer(half, half, 1, WAITING_ROWS)
    assert line.dropped == 1 + WAITING_ROWS
    line.work_off()
    assert line.rows == WAITING_ROWS


def test_a_request_that_never_fits_is_dropped_and_leaves_the_room_to_others():
    line = Line()
    line.offer(WAITING_ROWS + 1, WAITING_ROWS)
    line.work_off()
    assert (line.dropped, line.rows) == (WAITING_ROWS + 1, WAITING_ROWS)


def test_rows_that_were_scored_make_room_for_others():
    line = Line()
    line.offer(WAITING_ROWS)
    line.shadow.offer("another version", question=Question(id="r", rows=("x",)))
    assert line.dropped == 1
    line.work_off()
    line.offer(WAITING_ROWS)
    assert (line.dropped, line.rows) == (1, WAITING_ROWS)


def test_many_small_requests_are_bounded_too():
    line = Line()
    line.offer(*[2] * (WAITING_REQUESTS + 5))
    assert line.dropped == 10


@pytest.mark.parametrize("requests", [1, WAITING_REQUESTS])
def test_what_waits_behind_a_challenger_that_hangs_is_abandoned_and_counted(requests):
    line = Line()
    line.offer(*[3] * requests)
    line.shadow.close(lambda _: None, patience=0)
    assert line.dropped == 3 * requests
    line.shadow.run()  # returns, and finds nothing to score
    assert line.recorded == []


def test_what_waits_for_one_version_is_scored_together_and_in_order():
    line = Line()
    numbers = [str(number) for number in range(2 * TOGETHER + 1)]
    for number in numbers:
        line.shadow.offer("v2", question=Question(id=number, rows=("x",)))
    for number in range(3):
        line.shadow.offer("v3", question=Question(id=f"later {number}", rows=("x",)))
    line.work_off()
    assert line.together == [("v2", TOGETHER), ("v2", TOGETHER), ("v2", 1), ("v3", 3)]
    assert [asked.question.id for asked in line.recorded] == [*numbers, "later 0", "later 1", "later 2"]
