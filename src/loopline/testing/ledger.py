"""What every ledger must do. Subclass ``LedgerContract`` in your tests and give it ``make``."""

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from loopline.errors import Conflict, NotFound
from loopline.ports.ledger import Ledger
from loopline.records.cycle import Cycle
from loopline.records.ids import LoopName, TaskId
from loopline.records.keys import key_of_record
from loopline.records.lineage import Raise, Stored
from loopline.records.model import ModelVersion
from loopline.records.rollout import TrafficSplit
from loopline.testing import factories as one
from loopline.testing.role_book import access

OTHER = LoopName("other")

EVERY_KIND: tuple[Stored, ...] = (
    one.selection(one.candidate(), one.candidate("p2", "bad", draw="audit", probability=0.1)),
    one.label_batch(one.label(), one.label("p2", "naïve — 中文")),
    one.dataset_version("c1", parent=one.digest(b"c0"), cycle=1),
    one.anchor(),
    one.model_version("v2", metrics={"accuracy": 0.1 + 0.2}, dataset=one.digest(b"c1")),
    one.run_spec(),
    one.verdict(),
    one.rollout(evidence={"e": 1e-300}),
    one.split(),
    one.measurement(),
    one.signal(cleared_at=one.later(0.000001)),
    one.cycle(),
    one.cadence(),
    one.standing(),
    one.api_key(per_second=0.5, revoked_at=one.later(1)),
    access(),
)


class LedgerContract:
    """The laws of ``ports.ledger.Ledger``."""

    def make(self) -> Ledger:
        """A new, empty ledger."""
        raise NotImplementedError

    @pytest.mark.parametrize("record", EVERY_KIND, ids=lambda record: type(record).__name__)
    def test_what_is_committed_is_got_back_unchanged(self, record: Stored) -> None:
        """A record of any kind survives, to the last digit."""
        ledger = self.make()
        assert ledger.commit(one.entry("e1", record))
        assert ledger.get(type(record), key_of_record(record), loop=one.LOOP) == record
        assert ledger.all(type(record), one.LOOP) == (record,)

    def test_an_entry_is_committed_once(self) -> None:
        """The same entry id again changes nothing, whatever it carries."""
        ledger = self.make()
        assert ledger.commit(one.entry("e1", one.cycle(1, phase="open"), events=(one.event(),)))
        assert not ledger.commit(one.entry("e1", one.cycle(1, phase="closed"), one.cycle(2), activity=one.activity()))
        assert [cycle.phase for cycle in ledger.all(Cycle, one.LOOP)] == ["open"]
        assert ledger.activities(one.LOOP) == ()

    def test_a_record_with_a_known_key_replaces_it_in_its_place(self) -> None:
        """Order is that of the first commits, not of the latest."""
        ledger = self.make()
        ledger.commit(one.entry("e1", one.cycle(2), one.cycle(1)))
        ledger.commit(one.entry("e2", one.cycle(3), one.cycle(2, phase="closed")))
        cycles = [(cycle.number, cycle.phase) for cycle in ledger.all(Cycle, one.LOOP)]
        assert cycles == [(2, "closed"), (1, "open"), (3, "open")]

    def test_a_missing_record_is_named_with_the_known_ones(self) -> None:
        """NotFound says what there is."""
        ledger = self.make()
        ledger.commit(one.entry("e1", one.model_version("v2"), one.model_version("v1")))
        with pytest.raises(NotFound) as error:
            ledger.get(ModelVersion, "v9", loop=one.LOOP)
        assert str(error.value) == "no model 'v9'; known: v1, v2"

    def test_loops_do_not_see_each_other(self) -> None:
        """The same key in two loops is two records."""
        ledger = self.make()
        ledger.commit(one.entry("e1", one.split(1), activity=one.activity(), events=(one.event(),)))
        ledger.commit(one.entry("e2", one.split(1, loop=OTHER, incumbent="v5")))
        assert [ledger.get(TrafficSplit, "1", loop=loop).incumbent for loop in (one.LOOP, OTHER)] == ["v1", "v5"]
        assert (ledger.activities(OTHER), ledger.events(OTHER, newest=9)) == ((), ())
        with pytest.raises(NotFound):
            ledger.get(TrafficSplit, "1", loop=LoopName("third"))

    def test_activities_come_oldest_first_with_their_edges_in_order(self) -> None:
        """The run graph is read back as it was written."""
        ledger = self.make()
        acts = [one.activity(f"act-{n}", used=("z:1", "a:2"), generated=(f"b:{n}", "a:0")) for n in (3, 1, 2)]
        for act in acts:
            ledger.commit(one.entry(act.id, activity=act))
        assert ledger.activities(one.LOOP) == tuple(acts)

    def test_events_come_newest_first_and_no_more_than_asked(self) -> None:
        """Within an entry the later event is the newer."""
        ledger = self.make()
        ledger.commit(one.entry("e1", events=(one.event("a"), one.event("b"))))
        ledger.commit(one.entry("e2", events=(one.event("c"),)))
        assert [event.id for event in ledger.events(one.LOOP, newest=2)] == ["c", "b"]
        assert ledger.events(one.LOOP, newest=9)[-1] == one.event("a")

    def test_a_refused_entry_leaves_nothing_behind(self) -> None:
        """All or nothing: and the same entry, mended, can be committed."""
        ledger = self.make()
        raises = (Raise(task=TaskId("nowhere"), wanted=2),)
        bad = one.entry("e1", one.cycle(), activity=one.activity(), events=(one.event(),), raises=raises)
        with pytest.raises(NotFound, match="no task 'nowhere'"):
            ledger.commit(bad)
        assert ledger.all(Cycle, one.LOOP) == ()
        assert (ledger.activities(one.LOOP), ledger.events(one.LOOP, newest=9)) == ((), ())
        assert ledger.commit(one.entry("e1", one.cycle()))

    def test_another_task_under_a_known_id_is_refused(self) -> None:
        """The very same task again is welcome."""
        ledger = self.make()
        ledger.commit(one.entry("e1", tasks=(one.task("t1", "good"),)))
        assert ledger.commit(one.entry("e2", tasks=(one.task("t1", "good"),)))
        with pytest.raises(Conflict) as error:
            ledger.commit(one.entry("e3", one.cycle(), tasks=(one.task("t1", "bad"),)))
        assert str(error.value) == "task t1: another task under this id, expected a new id"
        assert ledger.all(Cycle, one.LOOP) == ()

    def test_another_activity_under_a_known_id_is_refused(self) -> None:
        """Lineage is never overwritten."""
        ledger = self.make()
        ledger.commit(one.entry("e1", activity=one.activity()))
        with pytest.raises(Conflict) as error:
            ledger.commit(one.entry("e2", one.cycle(), activity=one.activity(kind="train")))
        assert str(error.value) == "activity act-1: one under this id, expected a new id"
        assert (ledger.activities(one.LOOP), ledger.all(Cycle, one.LOOP)) == ((one.activity(),), ())

    @hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(
        st.lists(st.tuples(st.integers(0, 5), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)))), max_size=9)
    )
    def test_commits_fold_like_a_dictionary(self, history: list[tuple[int, list[tuple[int, int]]]]) -> None:
        """The first commit of an entry id wins, the last record of a key, in the place of its first."""
        ledger, seen, expected = self.make(), set[int](), dict[int, int]()
        for entry, records in history:
            cycles = (one.cycle(number, budget=budget) for number, budget in records)
            assert ledger.commit(one.entry(f"e{entry}", *cycles)) is (entry not in seen)
            if entry not in seen:
                expected.update(records)
            seen.add(entry)
        assert [(cycle.number, cycle.budget) for cycle in ledger.all(Cycle, one.LOOP)] == list(expected.items())
