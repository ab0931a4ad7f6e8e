"""What every fleet must do. Subclass ``FleetContract`` in your tests and give it ``make``."""

import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from loopline.errors import Unavailable
from loopline.ports.fleet import Fleet


def squared(number: int) -> int:
    """The square, later for smaller numbers: so that who is done first is not who began first."""
    time.sleep(0.03 if number % 3 == 0 else 0.0)
    return number * number


def noted(number: int, *, folder: Path, failing: int = -1) -> int:
    """The number, which leaves a file; Unavailable for one of them."""
    (folder / str(number)).touch()
    if number == failing:
        raise Unavailable(f"piece {number}", reason="it is broken", remedy="mend it")
    return number


def process(_: int) -> int:
    """Where the work is done."""
    return os.getpid()


def filled(size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """So many numbers."""
    return np.full(size, 0.5)


class FleetContract:
    """The laws of ``ports.fleet.Fleet``."""

    def make(self) -> Fleet:
        """A fleet that is ready to work."""
        raise NotImplementedError

    @pytest.mark.parametrize("count", [0, 1, 7, 150])
    def test_results_come_in_the_order_of_the_pieces(self, count: int) -> None:
        assert list(self.make().map(squared, range(count))) == [number * number for number in range(count)]

    def test_a_fleet_works_again_and_again(self) -> None:
        fleet = self.make()
        assert [list(fleet.map(squared, [3, 1])) for _ in range(3)] == [[9, 1]] * 3

    def test_large_results_come_whole(self) -> None:
        sizes = [300_000, 0, 100_000]
        assert [len(each) for each in self.make().map(filled, sizes)] == sizes

    def test_an_exception_is_raised_in_the_place_of_its_piece(self, tmp_path: Path) -> None:
        results = self.make().map(partial(noted, folder=tmp_path, failing=3), range(8))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(Unavailable, match="piece 3: it is broken; mend it") as raised:
            next(results)
        assert (raised.value.thing, raised.value.remedy) == ("piece 3", "mend it")

    def test_the_rest_is_left_when_nobody_asks_for_it(self, tmp_path: Path) -> None:
        results = iter(self.make().map(partial(noted, folder=tmp_path), range(1_000)))
        assert next(results) == 0
        del results
        assert len(list(tmp_path.iterdir())) < 1_000
