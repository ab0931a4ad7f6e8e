"""What every adapter of ``Counters`` must keep."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from loopline.errors import NotFound
from loopline.ports.counters import NAMES, Counters


class CountersContract:
    """Subclass it, say how to make an adapter with nothing counted yet, and run it with pytest."""

    def make(self) -> Counters:
        """Fresh counters."""
        raise NotImplementedError

    def test_all_totals_begin_at_zero(self) -> None:
        assert self.make().read() == dict.fromkeys(NAMES, 0)

    def test_totals_add_up_each_by_its_own_name(self) -> None:
        counters = self.make()
        counters.add("answered")
        counters.add("answered", 41)
        counters.add("dropped", 3)
        counters.add("dropped", -1)
        assert counters.read() == dict.fromkeys(NAMES, 0) | {"answered": 42, "dropped": 2}

    def test_totals_pass_the_range_of_32_bits(self) -> None:
        counters = self.make()
        counters.add("stored", 1 << 40)
        counters.add("stored")
        assert counters.read()["stored"] == (1 << 40) + 1

    def test_an_unknown_name_is_refused_with_the_known_ones(self) -> None:
        counters = self.make()
        with pytest.raises(NotFound, match="no counter 'anwered'; known: answered, stored, repeated"):
            counters.add("anwered")
        assert counters.read() == dict.fromkeys(NAMES, 0)

    def test_a_settlement_adds_to_several_totals_and_remembers_through_what(self) -> None:
        counters = self.make()
        assert counters.settled() == 0
        counters.add("stored", 5)
        counters.settle({"stored": 40, "repeated": 2}, through=17)
        counters.settle({"stored": 1}, through=18)
        assert counters.read() == dict.fromkeys(NAMES, 0) | {"stored": 46, "repeated": 2}
        assert counters.settled() == 18
        counters.settle({}, through=0)
        assert (counters.settled(), counters.read()["stored"]) == (0, 46)

    def test_a_settlement_with_an_unknown_name_changes_nothing(self) -> None:
        counters = self.make()
        with pytest.raises(NotFound, match="no counter 'lost'; known: answered"):
            counters.settle({"stored": 40, "lost": 2}, through=17)
        assert counters.read() == dict.fromkeys(NAMES, 0)
        assert counters.settled() == 0

    def test_threads_lose_no_count(self) -> None:
        counters = self.make()

        def count() -> None:
            for _ in range(1_000):
                counters.add("answered")
                counters.settle({"answered": 1, "stored": 1}, through=1)

        with ThreadPoolExecutor(8) as pool:
            for counting in [pool.submit(count) for _ in range(8)]:
                counting.result()
        assert counters.read() == dict.fromkeys(NAMES, 0) | {"answered": 16_000, "stored": 8_000}

    def test_what_was_read_does_not_change(self) -> None:
        counters = self.make()
        before = counters.read()
        counters.add("answered")
        assert before["answered"] == 0
