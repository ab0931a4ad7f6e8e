"""The contract of fleets over Daft: run by a test in an environment that has it. ``FLEET`` says where Daft runs."""

import os

import pytest

from loopline.adapters.daft.fleet import DaftFleet
from loopline.errors import Conflict
from loopline.ports.fleet import Fleet
from loopline.testing.fleet import FleetContract, process

ADDRESS = os.environ.get("FLEET", "")


class TestDaft(FleetContract):
    def make(self) -> Fleet:
        return DaftFleet(ADDRESS)

    def test_the_work_is_done_where_it_should_be(self) -> None:
        is_here = {each == os.getpid() for each in DaftFleet(ADDRESS).map(process, range(4))}
        assert is_here == {not ADDRESS}

    def test_one_process_has_one_daft(self) -> None:
        list(DaftFleet(ADDRESS).map(abs, [1]))
        with pytest.raises(
            Conflict, match=r"launcher: Daft on .*, expected Daft on ray://there:1; start another process"
        ):
            list(DaftFleet("ray://there:1").map(abs, [1]))
