import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from loopline.adapters.daft.fleet import DaftFleet
from loopline.adapters.threads.fleet import ThreadFleet
from loopline.errors import Unavailable
from loopline.ports.fleet import Fleet
from loopline.testing.fleet import FleetContract


class TestOneThread(FleetContract):
    def make(self) -> Fleet:
        return ThreadFleet(1)


class TestThreads(FleetContract):
    def make(self) -> Fleet:
        return ThreadFleet(3)

    def test_pieces_are_worked_on_at_the_same_time(self) -> None:
        together = threading.Barrier(3, timeout=10)
        assert sorted(ThreadFleet(3).map(lambda _: together.wait(), range(3))) == [0, 1, 2]

    def test_no_more_are_begun_than_there_are_threads_and_one(self) -> None:
        begun: list[int] = []
        results: Iterator[None] = ThreadFleet(2).map(begun.append, range(50))
        next(results)
        assert len(begun) <= 3

    def test_after_an_exception_no_further_piece_is_begun(self) -> None:
        begun: list[int] = []

        def work(number: int) -> None:
            begun.append(number)
            raise Unavailable("piece", reason=str(number))

        with pytest.raises(Unavailable, match="piece: 0"):
            list(ThreadFleet(2).map(work, range(50)))
        assert len(begun) <= 3

    def test_two_may_ask_one_fleet_at_once(self) -> None:
        fleet = ThreadFleet(2)
        with ThreadPoolExecutor(2) as pool:
            sums = pool.map(lambda start: sum(fleet.map(abs, range(start, start + 40))), (0, 100))
            assert list(sums) == [780, 4780]


def test_without_daft_the_launcher_says_what_to_install() -> None:
    pytest.importorskip("loopline")
    try:
        import daft  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(Unavailable, match=r"launcher: Daft is not installed; pip install 'loopline\[daft\]'"):
            next(DaftFleet().map(abs, [1]))
        with pytest.raises(Unavailable, match=r"launcher: Daft is not installed; pip install 'loopline\[ray\]'"):
            next(DaftFleet("ray").map(abs, [1]))
    else:
        pytest.skip("Daft is installed")
