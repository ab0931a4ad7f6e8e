"""What every work log must do. Subclass the contract and give it ``make``."""

from loopline.records.ids import LoopName, TaskId
from loopline.testing import factories as one
from loopline.testing.desk import TEXTS, Desk, tasks

OTHER = LoopName("other")


class WorkLogContract:
    """The laws of ``ports.work_log``."""

    def make(self) -> Desk:
        """An empty desk."""
        raise NotImplementedError

    def test_an_answer_is_read_with_what_was_asked_and_when_it_was_undone(self) -> None:
        """Every field, ``wanted`` as it is now."""
        desk = self.make()
        desk.publish(*tasks(1))
        said = one.annotation("a", task="t0", comment="naïve — 中文", is_flagged=True, is_bulk=True)
        desk.submit(said)
        desk.want("t0", 3)
        (work,) = desk.work.work(one.LOOP, annotator="ana", newest=9)
        assert work == (one.task("t0", TEXTS[0], wanted=3), said, None)
        desk.withdraw("a", at=one.later(0.000001))
        assert [w.undone_at for w in desk.work.work(one.LOOP, annotator="ana", newest=9)] == [one.later(0.000001)]

    def test_the_newest_come_first_by_time_then_id_over_all_batches(self) -> None:
        """Of this person and this loop alone; gold too."""
        desk = self.make()
        desk.publish(
            one.task("a", "1"), one.task("b", "2", cycle=2), one.task("g", "3", stratum="gold", gold="neutral"),
            one.task("o", "4", loop=OTHER),
        )  # fmt: skip
        for name, task, seconds in (("m", "a", 1), ("z", "b", 0), ("n", "g", 1)):
            desk.submit(one.annotation(name, task=task, at=one.later(seconds)))
        desk.say("bob", "a")
        desk.queue.submit([one.annotation("o", task="o", at=one.later(9))], loop=OTHER)
        found = [work.annotation.id for work in desk.work.work(one.LOOP, annotator="ana", newest=9)]
        assert found == ["n", "m", "z"]
        assert [work.annotation.id for work in desk.work.work(one.LOOP, annotator="ana", newest=2)] == ["n", "m"]
        assert desk.work.work(one.LOOP, annotator="ana", newest=0) == ()
        assert desk.work.work(one.LOOP, annotator="nobody", newest=9) == ()

    def test_what_somebody_passed_on_comes_newest_first(self) -> None:
        """With the reason; theirs alone."""
        desk = self.make()
        desk.publish(*tasks(3), one.task("o", "4", loop=OTHER))
        skips = [one.skip(task=f"t{n}", reason=f"because {n}", at=one.later(n % 2)) for n in range(3)]
        for skip in (*skips, one.skip(task="t0", annotator="bob")):
            desk.queue.skip(skip, loop=one.LOOP)
        desk.queue.skip(one.skip(task="o"), loop=OTHER)
        assert desk.work.passed(one.LOOP, annotator="ana", newest=9) == (skips[1], skips[2], skips[0])
        assert [skip.task for skip in desk.work.passed(one.LOOP, annotator="ana", newest=1)] == [TaskId("t1")]

    def test_everybody_who_answered_or_passed_is_named(self) -> None:
        """Once, by name; who only claimed did no work yet."""
        desk = self.make()
        desk.publish(*tasks(2), one.task("o", "4", loop=OTHER))
        for who in ("eve", "bob"):
            desk.say(who, "t0")
        desk.withdraw("bob-t0", by="bob")
        for who in ("eve", "Ana"):
            desk.queue.skip(one.skip(task="t1", annotator=who), loop=one.LOOP)
        desk.queue.skip(one.skip(task="o", annotator="kim"), loop=OTHER)
        desk.claim("zoe")
        assert desk.work.people(one.LOOP) == ("Ana", "bob", "eve")
        assert desk.work.people(LoopName("empty")) == ()

    def test_answers_are_counted_from_a_moment_on(self) -> None:
        """That moment included; what was taken back is not counted."""
        desk = self.make()
        desk.publish(*tasks(4))
        for n in range(4):
            desk.submit(one.annotation(f"a{n}", task=f"t{n}", at=one.later(n)))
        desk.say("bob", "t3")
        desk.withdraw("a2", at=one.later(9))
        found = [desk.work.given_since(one.LOOP, annotator="ana", since=one.later(n)) for n in (0, 1, 3, 4)]
        assert found == [3, 2, 1, 0]
        assert desk.work.given_since(OTHER, annotator="ana", since=one.NOW) == 0
