"""What every task queue must do with skills, languages, quotas, wishes and leases. Subclass it and give ``make``."""

from datetime import datetime, timedelta

import pytest

from loopline.records.task import STEP, Stratum
from loopline.testing import factories as one
from loopline.testing.desk import GOLD, TEXTS, WORK, Desk, tasks

MIDNIGHT = one.NOW.replace(hour=0, minute=0, second=0, microsecond=0)


class HoldingContract:
    """The laws of ``ports.task_queue``: what a claim may bring, and for how long it is held."""

    def make(self) -> Desk:
        """An empty desk."""
        raise NotImplementedError

    def test_a_skill_and_a_language_are_asked_of_whoever_gets_the_task(self) -> None:
        """Both, when it asks for both; who has more than it asks for may have it too."""
        desk = self.make()
        desk.publish(
            one.task("any", "1"),
            one.task("law", "2", skill="law"),
            one.task("zh", "3", language="zh"),
            one.task("both", "4", skill="law", language="zh", priority=1),
        )

        def offered(*skills: str, languages: tuple[str, ...] = ()) -> list[str]:
            return desk.take(one.claim(count=9, seconds=0.0, skills=skills, languages=languages))

        assert offered() == ["any"]
        assert offered("law", "art") == ["any", "law"]
        assert offered(languages=("de", "zh")) == ["any", "zh"]
        assert offered("law", languages=("zh", "en")) == ["both", "any", "law", "zh"]

    def test_gold_asks_for_a_language_too(self) -> None:
        """It must not be told apart by who gets it."""
        desk = self.make()
        desk.publish(one.task("g", "1", stratum="gold", gold="positive", language="zh"))
        assert desk.take(one.claim("ana", strata=GOLD)) == []
        assert desk.take(one.claim("ana", strata=GOLD, languages=("zh",))) == ["g"]

    def test_what_is_held_stays_with_its_holder_who_no_longer_names_the_skill(self) -> None:
        """Nobody loses a task that they are at."""
        desk = self.make()
        desk.publish(one.task("law", "2", skill="law"))
        assert desk.take(one.claim("ana", skills=("law",))) == ["law"]
        assert desk.take(one.claim("ana")) == ["law"]

    def test_a_quota_counts_the_answers_of_the_day_and_what_is_held(self) -> None:
        """Gold included; what was taken back not; the day begins at midnight UTC."""
        desk, day = self.make(), timedelta(days=1)
        gold = [one.task(name, name, stratum="gold", gold="positive") for name in ("g", "more gold")]
        desk.publish(*gold, *tasks(5))
        first = MIDNIGHT + timedelta(seconds=1)
        for name, at in (("g", first), ("t0", MIDNIGHT - timedelta(microseconds=1)), ("t1", MIDNIGHT)):
            desk.submit(one.annotation(name, task=name, at=at))

        def offered(at: datetime, *, quota: int = 3, strata: frozenset[Stratum] = WORK) -> list[str]:
            return desk.take(one.claim(quota=quota, count=9, strata=strata), at=at)

        assert offered(first) == ["t2"]
        assert offered(first) == ["t2"]
        assert offered(first, strata=GOLD) == []
        desk.submit(one.annotation("t2", task="t2", at=first))
        assert offered(first) == []
        desk.withdraw("t2", at=first)
        assert offered(first, quota=4) == ["t2", "t3"]
        assert offered(first) == ["t2"]
        assert offered(MIDNIGHT + day) == ["t2", "t3", "t4"]

    def test_a_quota_is_one_persons(self) -> None:
        """What others gave and hold is not counted."""
        desk = self.make()
        desk.publish(*tasks(3))
        desk.say("bob", "t0")
        desk.claim("bob")
        assert desk.take(one.claim(quota=1, count=9)) == ["t2"]

    def test_more_like_a_task_come_before_others_of_the_same_step_of_priority(self) -> None:
        """Also when they lie behind more tasks than are asked for; a task of no cluster has none like it."""
        desk = self.make()
        desk.publish(
            *(one.task(f"t{n}", TEXTS[n], cluster="c/1" if n in (2, 4) else "c/2") for n in (0, 1, 2, 4)),
            one.task("t3", TEXTS[3], cluster="c/2", priority=STEP - 1),
            one.task("first", "first", priority=STEP),
            one.task("alone", "alone"),
        )
        claim = one.claim(count=3, seconds=0.0)
        assert desk.take(one.claim(like="t4", count=3, seconds=0.0)) == ["first", "t2", "t4"]
        assert desk.take(one.claim(like="t2", count=4, seconds=0.0)) == ["first", "t2", "t4", "t3"]
        for unknown in ("alone", "nowhere", ""):
            assert desk.take(one.claim(like=unknown, count=3, seconds=0.0)) == desk.take(claim)
        assert desk.take(one.claim(like="t2", count=9)) == ["first", "t2", "t4", "t3", "alone", "t0", "t1"]
        assert desk.take(one.claim(like="t0", count=4)) == ["first", "t3", "t0", "t1"]

    def test_within_a_cluster_nothing_else_is_handed_out_or_touched(self) -> None:
        """Held tasks of other clusters stay held, and are not renewed; answers of paused people are asked for again."""
        desk = self.make()
        desk.publish(*(one.task(f"t{n}", TEXTS[n], cluster=f"c/{n % 2}") for n in range(5)))
        assert desk.take(one.claim(count=2)) == ["t0", "t1"]
        assert desk.take(one.claim(count=9, within="c/0"), at=one.later(30)) == ["t0", "t2", "t4"]
        assert desk.take(one.claim("bob", count=9), at=one.later(60)) == ["t1", "t3"]
        assert desk.take(one.claim("eve", count=9, within="c/0")) == []
        desk.say("ana", "t2")
        desk.commit(one.standing("ana", state="paused"))
        assert desk.take(one.claim("eve", count=9, within="c/0"), at=one.later(60)) == ["t0", "t2", "t4"]

    def test_what_is_asked_once_more_is_handed_out_and_awaited(self) -> None:
        """Like any other work."""
        desk = self.make()
        desk.publish(*tasks(1), one.task("again", "again", stratum="relabel", wanted=2))
        assert desk.take(one.claim(strata=frozenset({"relabel"}), count=9)) == ["again"]
        desk.say("ana", "again")
        assert desk.progress().by_stratum == {"chosen": (0, 1), "relabel": (0, 1)}
        desk.say("bob", "again")
        assert desk.progress().by_stratum == {"chosen": (0, 1), "relabel": (1, 1)}
        assert (desk.progress().tasks, desk.progress().done) == (2, 1)

    def test_what_is_held_is_renewed_and_the_rest_given_back(self) -> None:
        """At once, and who gave it back may have it again."""
        desk = self.make()
        desk.publish(*tasks(3))
        desk.claim("ana", count=3, seconds=60)
        assert desk.hold("ana", "t0", "t2", "nowhere", at=one.later(50), seconds=60) == 2
        assert desk.claim("bob", count=9, at=one.later(109)) == ["t1"]
        assert desk.claim("eve", count=9, at=one.later(110)) == ["t0", "t2"]
        assert desk.hold("bob", at=one.later(110)) == 0
        assert desk.claim("ana", count=9, at=one.later(110)) == ["t1"]

    def test_a_lease_that_ran_out_is_renewed_where_the_task_is_still_open(self) -> None:
        """Not where somebody else has it now, nor where enough have answered."""
        desk = self.make()
        desk.publish(*tasks(4))
        desk.claim("ana", count=4, seconds=10)
        assert desk.claim("bob", at=one.later(10)) == ["t0"]
        desk.say("eve", "t1")
        desk.say("ana", "t2")
        assert desk.hold("ana", "t0", "t1", "t2", "t3", at=one.later(20)) == 1
        assert desk.claim("ana", count=9, at=one.later(30)) == ["t3"]
        assert desk.claim("kim", count=9, at=one.later(79)) == ["t0"]

    def test_a_full_task_is_open_again_when_the_first_of_its_leases_ends(self) -> None:
        """Whoever holds the others, and for how long."""
        desk = self.make()
        desk.publish(*tasks(1, wanted=2))
        desk.claim("ana", seconds=10)
        desk.claim("bob", seconds=100)
        assert desk.claim("eve", at=one.later(9.999)) == []
        assert desk.claim("eve", at=one.later(10)) == ["t0"]
        assert desk.claim("kim", at=one.later(11)) == []

    def test_nobody_holds_what_they_were_never_given(self) -> None:
        """Neither open tasks nor those of others, nor another loop's."""
        desk = self.make()
        desk.publish(*tasks(2))
        desk.claim("ana", seconds=60)
        assert desk.hold("bob", "t0", "t1") == 0
        assert desk.hold("ana") == 0
        assert desk.claim("eve", count=9) == ["t0", "t1"]

    def test_a_paused_annotator_and_a_batch_that_is_over_hold_nothing(self) -> None:
        """What they had is given back."""
        desk = self.make()
        desk.publish(*tasks(1), one.task("c2", "other", cycle=2))
        desk.claim("ana", count=2, seconds=60)
        desk.commit(one.label_batch(cycle=2))
        assert desk.hold("ana", "t0", "c2", at=one.later(1)) == 1
        desk.commit(one.standing("ana", state="paused"))
        assert desk.hold("ana", "t0", at=one.later(2)) == 0
        desk.commit(one.standing("ana", gold_seen=11))
        assert desk.claim("bob", at=one.later(3)) == ["t0"]
        assert desk.claim("ana", at=one.later(3)) == []

    @pytest.mark.parametrize("act", ["hold", "skip", "want", "withdraw"])
    def test_a_task_that_was_full_is_open_as_soon_as_somebody_steps_back(self, act: str) -> None:
        """However that happens."""
        desk = self.make()
        desk.publish(*tasks(1, wanted=2))
        for person in ("ana", "bob"):
            desk.claim(person, seconds=600)
        desk.say("bob", "t0")
        assert desk.claim("eve") == []
        match act:
            case "hold":
                desk.hold("ana")
            case "skip":
                desk.queue.skip(one.skip(task="t0"), loop=one.LOOP)
            case "want":
                desk.want("t0", 3)
            case _:
                desk.withdraw("bob-t0", by="bob")
                assert desk.claim("eve") == []
                desk.hold("bob")
        assert desk.claim("eve") == ["t0"]
