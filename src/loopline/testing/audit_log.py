"""What every audit log must do. Subclass ``AuditLogContract`` in your tests and give it ``make``."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from loopline.ports.audit_log import AuditLog
from loopline.records.ids import LoopName
from loopline.records.people import Act
from loopline.testing.factories import LOOP, later

OTHER = LoopName("other")


def act(number: int, *, actor: str = "ana", told: str = "POST /api/users", loop: LoopName = LOOP) -> Act:
    """The act of this number: later than those of smaller ones.

    >>> act(7).id
    'a0007'
    """
    return Act(
        id=f"a{number:04d}",
        loop=loop,
        at=later(number),
        actor=actor,
        act=told,
        subject="ben",
        outcome="200",
        address="127.0.0.1",
    )


class AuditLogContract:
    """The laws of ``ports.audit_log.AuditLog``."""

    def make(self) -> AuditLog:
        """A new one, without acts."""
        raise NotImplementedError

    def test_what_was_written_is_read_as_it_was_newest_first(self) -> None:
        """By id, whatever the order in which they came."""
        audit = self.make()
        audit.write((act(2), act(3)))
        audit.write((act(1),))
        audit.write(())
        assert audit.read(LOOP, newest=9) == (act(3), act(2), act(1))
        assert audit.read(LOOP, newest=2) == (act(3), act(2))

    def test_an_id_that_is_stored_changes_nothing(self) -> None:
        """What was written first stands, in one writing and over several; the others of the writing are kept."""
        audit = self.make()
        audit.write((act(1), act(1, told="something else")))
        audit.write((act(1, actor="mallory"), act(2)))
        assert audit.read(LOOP, newest=9) == (act(2), act(1))

    def test_it_can_be_leafed_through_to_its_beginning(self) -> None:
        """Each leaf goes on before the last act of the one above; acts that come meanwhile move nothing."""
        audit = self.make()
        audit.write([act(number) for number in range(1, 8)])
        leaf, seen = audit.read(LOOP, newest=3), list[Act]()
        while leaf:
            seen += leaf
            audit.write((act(100 + len(seen)),))
            leaf = audit.read(LOOP, newest=3, before=leaf[-1].id)
        assert seen == [act(number) for number in range(7, 0, -1)]

    def test_the_acts_of_one_actor_can_be_read_alone(self) -> None:
        """An empty name asks for everybody's, those of nobody known included."""
        audit = self.make()
        audit.write((act(1), act(2, actor="ben"), act(3), act(4, actor=""), act(5, actor="an")))
        assert audit.read(LOOP, newest=9, actor="ana") == (act(3), act(1))
        assert audit.read(LOOP, newest=9, actor="ana", before="a0003") == (act(1),)
        assert len(audit.read(LOOP, newest=9)) == 5

    def test_loops_do_not_see_each_other(self) -> None:
        """Each has its own log."""
        audit = self.make()
        audit.write((act(1), act(2, loop=OTHER)))
        assert (audit.read(LOOP, newest=9), audit.read(OTHER, newest=9)) == ((act(1),), (act(2, loop=OTHER),))

    def test_texts_come_back_letter_by_letter(self) -> None:
        """Names are people's, in any script."""
        audit, written = self.make(), act(1, actor="Ana María 王", told="'; DROP TABLE audit; --")
        audit.write((written,))
        assert audit.read(LOOP, newest=1) == (written,)
        assert audit.read(LOOP, newest=1, actor="Ana María 王") == (written,)

    def test_many_at_once_lose_none(self) -> None:
        """Whoever comes last."""
        audit = self.make()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: audit.write((act(number),)), range(32)))
        assert [one.id for one in audit.read(LOOP, newest=99)] == [f"a{number:04d}" for number in range(31, -1, -1)]

    @hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=6), st.integers(1, 12))
    def test_whatever_is_written_is_there_once(self, writings: list[list[int]], newest: int) -> None:
        """In any portions, with any repetitions."""
        audit = self.make()
        for numbers in writings:
            audit.write([act(number) for number in numbers])
        there = sorted({number for numbers in writings for number in numbers}, reverse=True)
        assert audit.read(LOOP, newest=newest) == tuple(map(act, there[:newest]))
