"""What goes wrong is tried again, ever more slowly, and for as long as it takes."""

from collections.abc import Sequence
from datetime import timedelta

from loopline.adapters.memory.clock import ManualClock
from loopline.orchestrate.runner import PATIENCE, Runner
from loopline.records.dataset import LabelledRow
from loopline.records.settings import TrainSettings
from loopline.testing.factories import NOW, settings
from loopline.testing.rooms import rooms


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
