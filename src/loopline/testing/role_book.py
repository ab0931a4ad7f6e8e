"""What every role book must do. Subclass ``RoleBookContract`` in your tests and give it ``make``."""

from typing import NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from loopline.errors import Conflict, InvalidRecord
from loopline.ports.ledger import Ledger
from loopline.ports.role_book import RoleBook
from loopline.records.cycle import Cycle
from loopline.records.ids import LoopName
from loopline.records.lineage import Stored
from loopline.records.reserve import Membership, ReserveAccess, Seal
from loopline.records.selection import Selection
from loopline.testing import factories as one

OTHER = LoopName("other")
NOTHING = frozenset[str]()


class Registry(NamedTuple):
    """A ledger, and the book that reads what it registers."""

    ledger: Ledger
    roles: RoleBook

    def sides(self) -> tuple[frozenset[str], frozenset[str]]:
        """What judges, and what was selected or learned."""
        return self.roles.reserved(one.LOOP), self.roles.selected(one.LOOP)


def access(**changes: object) -> ReserveAccess:
    """The gate of cycle 1 looked at forty rows.

    >>> access(actor="ana").purpose
    'the gate of cycle 1'
    """
    default = ReserveAccess(
        id="cycle-1",
        loop=one.LOOP,
        at=one.NOW,
        actor="loopline",
        purpose="the gate of cycle 1",
        rows=40,
        versions=("v2", "v1"),
        batches=("labels:cycle-1", "anchor:4087bfcf"),
    )
    return msgspec.structs.replace(default, **changes)


def content(text: str) -> str:
    """The digest of a text as the loop sees it.

    >>> content("good") == one.candidate(text="good").content
    True
    """
    return one.digest(one.SIGNATURE.encode(text))


def contents(*texts: str) -> frozenset[str]:
    """The digests of these texts."""
    return frozenset(map(content, texts))


def selected(*texts: str, name: str = "cycle-1", **changes: object) -> Selection:
    """A selection of these texts."""
    return one.selection(*(one.candidate(f"p-{text}", text) for text in texts), id=name, **changes)


def members(version: int, *, added: str = "", removed: str = "") -> Membership:
    """A membership whose texts are single letters."""
    return Membership(
        loop=one.LOOP, version=version, added=tuple(map(content, added)), removed=tuple(map(content, removed))
    )


class RoleBookContract:
    """The laws of ``ports.role_book.RoleBook``."""

    def make(self) -> Registry:
        """A new, empty ledger with its book."""
        raise NotImplementedError

    def test_each_sample_is_on_the_side_that_first_used_it(self) -> None:
        """Selections and memberships on one side, reserve tasks and the anchor on the other; others have no role."""
        house = self.make()
        assert house.sides() == (NOTHING, NOTHING)
        tasks = (one.task("t1", "r", stratum="reserve"), one.task("t2", "a"), one.task("t3", "g", stratum="gold"))
        house.ledger.commit(one.entry("e1", selected("a", "b")))
        house.ledger.commit(one.entry("e2", tasks=tasks, seal=Seal(loop=one.LOOP, contents=(content("s"),))))
        house.ledger.commit(one.entry("e3", members=members(1, added="c")))
        assert house.sides() == (contents("r", "s"), contents("a", "b", "c"))

    def test_what_judges_is_in_no_selection(self) -> None:
        """The whole entry is refused, in words, and nothing of it is stored."""
        house = self.make()
        house.ledger.commit(one.entry("e1", tasks=(one.task("t1", "r", stratum="reserve"),)))
        with pytest.raises(Conflict) as error:
            house.ledger.commit(one.entry("e2", one.cycle(), selected("a", "r"), activity=one.activity()))
        assert str(error.value) == (
            f"selection cycle-1: 1 sample sealed in the reserve ({content('r')[:12]}), expected samples of the loop; "
            "nothing was stored: what judges a model is never learned"
        )
        assert (house.ledger.all(Cycle, one.LOOP), house.ledger.all(Selection, one.LOOP)) == ((), ())
        assert house.ledger.activities(one.LOOP) == ()
        assert house.sides() == (contents("r"), NOTHING)
        assert house.ledger.commit(one.entry("e2", one.cycle(), selected("a")))

    def test_what_judges_is_in_no_training_set(self) -> None:
        """Be it of a reserve task or of the anchor."""
        house = self.make()
        sealed = Seal(loop=one.LOOP, contents=tuple(map(content, "st")))
        house.ledger.commit(one.entry("e1", one.anchor(), seal=sealed))
        version = one.dataset_version("c1", cycle=1)
        with pytest.raises(Conflict, match=r"^membership of version 1: 2 samples sealed in the reserve"):
            house.ledger.commit(one.entry("e2", version, members=members(1, added="ast")))
        assert house.ledger.all(type(version), one.LOOP) == ()
        assert house.roles.members(one.LOOP, version=1) == NOTHING

    @pytest.mark.parametrize("way", ["task", "seal"])
    def test_what_was_selected_or_learned_never_judges(self, way: str) -> None:
        """The first to be registered stands; the other is refused."""
        house = self.make()
        house.ledger.commit(one.entry("e1", selected("a")))
        house.ledger.commit(one.entry("e2", members=members(1, added="b")))
        sealed = {
            "task": one.entry("e3", tasks=tuple(one.task(f"t-{text}", text, stratum="reserve") for text in "abr")),
            "seal": one.entry("e3", seal=Seal(loop=one.LOOP, contents=tuple(map(content, "rab")))),
        }[way]
        with pytest.raises(Conflict) as error:
            house.ledger.commit(msgspec.structs.replace(sealed, records=(one.cycle(),)))
        thing = {"task": "reserve tasks of cycle 1", "seal": "anchor"}[way]
        shown = ", ".join(sorted(digest[:12] for digest in contents("a", "b")))
        assert str(error.value) == (
            f"{thing}: 2 samples selected or learned before ({shown}), expected samples that were never selected; "
            "nothing was stored: what judges a model is never learned"
        )
        assert house.ledger.all(Cycle, one.LOOP) == ()
        assert house.sides() == (NOTHING, contents("a", "b"))

    def test_one_entry_cannot_use_a_sample_on_both_sides(self) -> None:
        """Not even when neither side was registered before."""
        house = self.make()
        with pytest.raises(Conflict, match=r"^selection cycle-1: 1 sample sealed in the reserve"):
            house.ledger.commit(one.entry("e1", selected("r"), tasks=(one.task("t1", "r", stratum="reserve"),)))
        assert house.sides() == (NOTHING, NOTHING)

    def test_the_same_role_again_is_welcome(self) -> None:
        """A later cycle may ask about a sealed sample again, or name the anchor again."""
        house = self.make()
        sealed = Seal(loop=one.LOOP, contents=(content("s"),))
        for cycle in (1, 2):
            task = one.task(f"t{cycle}", "r", stratum="reserve", cycle=cycle)
            picked = selected("a", name=f"cycle-{cycle}", cycle=cycle)
            assert house.ledger.commit(one.entry(f"e{cycle}", picked, tasks=(task,), seal=sealed))
        assert house.sides() == (contents("r", "s"), contents("a"))

    def test_a_selection_that_is_replaced_keeps_its_samples_on_their_side(self) -> None:
        """What was once selected may have been seen: it does not judge later."""
        house = self.make()
        house.ledger.commit(one.entry("e1", selected("a", "b")))
        house.ledger.commit(one.entry("e2", selected("b", "c")))
        assert house.roles.selected(one.LOOP) == contents("a", "b", "c")

    def test_loops_do_not_see_each_other(self) -> None:
        """The same content may judge in one loop and be learned in another."""
        house = self.make()
        house.ledger.commit(one.entry("e1", tasks=(one.task("t1", "r", stratum="reserve"),)))
        other: tuple[Stored, ...] = (selected("r", loop=OTHER),)
        learned = Membership(loop=OTHER, version=1, added=(content("r"),))
        assert house.ledger.commit(one.entry("e2", *other, members=learned))
        assert (house.roles.reserved(OTHER), house.roles.selected(OTHER)) == (NOTHING, contents("r"))
        assert house.roles.members(one.LOOP, version=1) == NOTHING

    def test_a_version_has_the_members_that_entered_and_did_not_leave(self) -> None:
        """A version that no cycle cut has those of the one before it; who left may come again."""
        house = self.make()
        changes = [members(1, added="ab"), members(3, added="c", removed="a"), members(4, added="a", removed="bx")]
        for change in changes:
            house.ledger.commit(one.entry(f"e{change.version}", members=change))
        found = [house.roles.members(one.LOOP, version=version) for version in range(6)]
        assert found == [contents(*texts) for texts in ("", "ab", "ab", "bc", "ac", "ac")]

    def test_who_is_a_member_already_stays_one(self) -> None:
        """To add it again changes nothing."""
        house = self.make()
        for version in (1, 2):
            house.ledger.commit(one.entry(f"e{version}", members=members(version, added="a")))
        house.ledger.commit(one.entry("e3", members=members(3, removed="a")))
        assert [len(house.roles.members(one.LOOP, version=version)) for version in (1, 2, 3)] == [1, 1, 0]

    def test_a_version_that_is_not_later_is_refused(self) -> None:
        """The past of a training set is never written again."""
        house = self.make()
        house.ledger.commit(one.entry("e1", members=members(5, added="a")))
        with pytest.raises(Conflict) as error:
            house.ledger.commit(one.entry("e2", one.cycle(), members=members(5, added="b")))
        assert str(error.value) == "membership of version 5: version 5 is stored, expected a later one"
        assert house.ledger.all(Cycle, one.LOOP) == ()

    def test_a_sample_does_not_enter_and_leave_at_once(self) -> None:
        """It says nothing, so somebody erred."""
        with pytest.raises(InvalidRecord, match=r"^membership of version 1: 1 contents both added and removed"):
            members(1, added="ab", removed="b")

    @pytest.mark.slow
    def test_many_samples_are_registered_at_once(self) -> None:
        """More than the parameters that one statement of any database takes; the last of them is checked, too."""
        house = self.make()
        many = tuple(f"{number:064x}" for number in range(40_000))
        house.ledger.commit(one.entry("e1", members=Membership(loop=one.LOOP, version=1, added=many)))
        assert house.roles.members(one.LOOP, version=1) == frozenset(many)
        for clashing in (many[0], many[-1]):
            fresh = tuple(f"r{number:063x}" for number in range(39_999))
            with pytest.raises(Conflict, match=r"^anchor: 1 sample selected or learned before"):
                house.ledger.commit(one.entry("e2", seal=Seal(loop=one.LOOP, contents=(*fresh, clashing))))
        house.ledger.commit(one.entry("e3", members=Membership(loop=one.LOOP, version=2, removed=many)))
        assert house.roles.members(one.LOOP, version=2) == NOTHING

    @hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.tuples(st.sampled_from(("select", "ask", "seal", "learn")), st.text("abcd", max_size=3))))
    def test_no_sample_ever_crosses_the_seal(self, history: list[tuple[str, str]]) -> None:
        """Whatever is committed in whatever order: the first use decides, and a refused entry changes nothing."""
        house, sides = self.make(), {"loop": set[str](), "reserve": set[str]()}
        for number, (act, letters) in enumerate(history, start=1):
            mine, other = ("reserve", "loop") if act in ("ask", "seal") else ("loop", "reserve")
            asked = tuple(one.task(f"t{number}-{text}", text, stratum="reserve") for text in sorted(set(letters)))
            entry = {
                "select": one.entry(f"e{number}", one.cycle(), *((selected(*letters),) if letters else ())),
                "ask": one.entry(f"e{number}", tasks=asked),
                "seal": one.entry(f"e{number}", seal=Seal(loop=one.LOOP, contents=tuple(map(content, letters)))),
                "learn": one.entry(f"e{number}", members=members(number, added=letters)),
            }[act]
            texts = set(map(content, letters))
            if texts & sides[other]:
                with pytest.raises(Conflict):
                    house.ledger.commit(entry)
            else:
                assert house.ledger.commit(entry)
                sides[mine] |= texts
            assert house.sides() == (frozenset(sides["reserve"]), frozenset(sides["loop"]))
