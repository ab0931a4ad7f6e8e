"""The queue of answers that nobody waits for: bounded in requests and in rows, and whatever is lost is counted."""

import pytest

from loopline.records.signature import Signature
from loopline.serve.sample import Sample, samples
from loopline.serve.shadow import WAITING_REQUESTS, WAITING_ROWS, Shadow

AB = Signature(input="text", labels=("a", "b"))


def asked(rows: int) -> tuple[Sample, ...]:
    return samples(["x"] * rows, request="r", group="g", signature=AB, role=lambda _: "loop")


class Line:
    """A shadow whose version answers each sample with itself."""

    def __init__(self) -> None:
        self.recorded: list[Sample] = []
        self.dropped = 0
        self.shadow = Shadow(self.ask, record=self.recorded.append, drop=self.drop)

    def ask(self, loaded: object, *, arm: str, asked: tuple[Sample, ...]) -> tuple[Sample, ...]:
        return asked

    def drop(self, rows: int) -> None:
        self.dropped += rows

    def offer(self, *rows: int) -> None:
        for count in rows:
            self.shadow.offer(None, asked=asked(count))

    def work_off(self) -> None:
        assert self.shadow.end(patience=0)
        self.shadow.run()


def test_large_requests_do_not_fill_the_memory_while_the_challenger_is_slow():
    line, half = Line(), WAITING_ROWS // 2
    line.offer(half, half, 1, WAITING_ROWS)
    assert line.dropped == 1 + WAITING_ROWS
    line.work_off()
    assert len(line.recorded) == WAITING_ROWS


def test_a_request_that_never_fits_is_dropped_and_leaves_the_room_to_others():
    line = Line()
    line.offer(WAITING_ROWS + 1, WAITING_ROWS)
    line.work_off()
    assert (line.dropped, len(line.recorded)) == (WAITING_ROWS + 1, WAITING_ROWS)


def test_rows_that_were_scored_make_room_for_others():
    line = Line()
    for _ in range(3):
        line.offer(WAITING_ROWS)
        line.work_off()
    assert (line.dropped, len(line.recorded)) == (0, 3 * WAITING_ROWS)


def test_many_small_requests_are_bounded_too():
    line = Line()
    line.offer(*[2] * (WAITING_REQUESTS + 5))
    assert line.dropped == 10


@pytest.mark.parametrize("requests", [1, WAITING_REQUESTS])
def test_what_waits_behind_a_challenger_that_hangs_is_abandoned_and_counted(requests):
    line = Line()
    line.offer(*[3] * requests)
    assert line.shadow.end(patience=0) == (requests < WAITING_REQUESTS)
    line.shadow.abandon()
    assert line.dropped == 3 * requests
    line.shadow.run()  # returns, and finds nothing to score
    assert line.recorded == []
