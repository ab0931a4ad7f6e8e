"""Every clock keeps the contract."""

import pytest

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.system.clock import SystemClock
from loopline.errors import InvalidRecord
from loopline.testing.clock import ClockContract
from loopline.testing.factories import NOW, later


class TestSystemClock(ClockContract):
    def make(self) -> SystemClock:
        return SystemClock()

    def test_it_moves(self) -> None:
        clock = self.make()
        first = clock.now()
        while clock.now() == first:
            pass
        assert clock.now() > first


class TestManualClock(ClockContract):
    def make(self) -> ManualClock:
        return ManualClock(NOW)

    def test_it_moves_only_when_it_is_moved(self) -> None:
        clock = self.make()
        assert clock.now() == clock.now() == NOW
        assert clock.advance(1.5) == clock.now() == later(1.5)

    def test_it_cannot_be_moved_back(self) -> None:
        with pytest.raises(InvalidRecord) as error:
            self.make().advance(-1)
        assert str(error.value) == "clock: a step of -1 seconds, expected a step forward"
