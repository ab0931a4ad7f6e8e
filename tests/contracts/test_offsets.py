"""Every keeper of offsets keeps the contract; in a database they outlast the process."""

from collections.abc import Callable
from itertools import count

import pytest
from sqlalchemy import Engine

from loopline.adapters.memory.offsets import MemoryOffsets
from loopline.adapters.sql.offsets import SqlOffsets
from loopline.testing.factories import LOOP
from loopline.testing.offsets import OffsetsContract


class TestMemoryOffsets(OffsetsContract):
    def make(self) -> MemoryOffsets:
        return MemoryOffsets()


class TestSqliteOffsets(OffsetsContract):
    @pytest.fixture(autouse=True)
    def _sqlite(self, sqlite: Callable[[str], Engine]) -> None:
        self.fresh = (sqlite(str(number)) for number in count())

    def make(self) -> SqlOffsets:
        return SqlOffsets(next(self.fresh))


def test_a_position_outlasts_the_process(state: Callable[[], Engine]) -> None:
    SqlOffsets(state()).advance("monitor", loop=LOOP, position=7)
    assert SqlOffsets(state()).read("monitor", loop=LOOP) == 7
