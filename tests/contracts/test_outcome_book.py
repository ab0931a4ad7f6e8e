"""Every outcome book keeps the contract; one on a disk also survives its process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from sqlalchemy import Engine

from loopline.adapters.memory.outcomes import MemoryOutcomes
from loopline.adapters.sql.outcomes import SqlOutcomes
from loopline.testing.outcome_book import OutcomeBookContract, outcome
from loopline.testing.scene import LOOP


class TestMemoryOutcomes(OutcomeBookContract):
    def make(self) -> MemoryOutcomes:
        return MemoryOutcomes()


class TestSqlOutcomes(OutcomeBookContract):
    @pytest.fixture(autouse=True)
    def _databases(self, sqlite: Callable[[str], Engine]) -> None:
        self.sqlite, self.numbers = sqlite, count()

    def make(self) -> SqlOutcomes:
        return SqlOutcomes(self.sqlite(f"state{next(self.numbers)}"))

    def test_another_process_finds_what_was_stored(self) -> None:
        SqlOutcomes(self.sqlite("shared")).record([outcome()], loop=LOOP)
        assert SqlOutcomes(self.sqlite("shared")).after(0, loop=LOOP, most=9) == ((1, outcome()),)

    def test_writers_at_once_share_the_positions_out(self) -> None:
        books = [SqlOutcomes(self.sqlite("shared")) for _ in range(4)]

        def report(writer: int) -> None:
            for number in range(20):
                books[writer].record(
                    [outcome(f"{writer}-{number}", f"p{number}"), outcome(f"both-{number}")], loop=LOOP
                )

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(report, range(4)))
        assert [place for place, _ in books[0].after(0, loop=LOOP, most=999)] == list(range(1, 101))
