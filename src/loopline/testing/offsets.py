"""What every keeper of offsets must do. Subclass ``OffsetsContract`` in your tests and give it ``make``."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from loopline.ports.offsets import Offsets
from loopline.records.ids import LoopName
from loopline.testing.scene import LOOP

OTHER = LoopName("other")


class OffsetsContract:
    """The laws of ``ports.offsets.Offsets``."""

    def make(self) -> Offsets:
        """A new one, without readers."""
        raise NotImplementedError

    def test_a_reader_begins_at_zero(self) -> None:
        """Nobody need be announced."""
        assert self.make().read("monitor", loop=LOOP) == 0

    def test_a_reader_is_where_it_last_came_and_never_moves_back(self) -> None:
        """The same again changes nothing, neither does an earlier position."""
        offsets = self.make()
        for position, expected in ((7, 7), (7, 7), (3, 7), (0, 7), (2**40, 2**40)):
            offsets.advance("monitor", loop=LOOP, position=position)
            assert offsets.read("monitor", loop=LOOP) == expected

    def test_no_position_before_the_first_is_kept(self) -> None:
        """0 is before everything."""
        offsets = self.make()
        offsets.advance("monitor", loop=LOOP, position=-1)
        assert offsets.read("monitor", loop=LOOP) == 0

    def test_readers_and_loops_do_not_see_each_other(self) -> None:
        """Each name in each loop has its own position."""
        offsets = self.make()
        offsets.advance("monitor", loop=LOOP, position=7)
        offsets.advance("select", loop=LOOP, position=9)
        assert [offsets.read(name, loop=LOOP) for name in ("monitor", "select")] == [7, 9]
        assert offsets.read("monitor", loop=OTHER) == 0

    def test_the_furthest_of_many_at_once_stands(self) -> None:
        """Whoever comes last."""
        offsets = self.make()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda at: offsets.advance("monitor", loop=LOOP, position=at), (3, 40, 7, 39, 1, 38, 2, 12)))
        assert offsets.read("monitor", loop=LOOP) == 40

    @hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=9))
    def test_the_position_is_the_greatest_ever_told(self, told: list[tuple[str, int]]) -> None:
        """In any order."""
        offsets = self.make()
        for reader, position in told:
            offsets.advance(reader, loop=LOOP, position=position)
        for reader in "ab":
            greatest = max((position for name, position in told if name == reader), default=0)
            assert offsets.read(reader, loop=LOOP) == greatest
