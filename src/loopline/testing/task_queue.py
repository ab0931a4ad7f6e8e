"""What every task queue and answer book must do. Subclass the contracts and give each ``make``."""

import pytest
from msgspec import structs

from loopline.errors import Conflict, NotFound
from loopline.ports.task_queue import Answers
from loopline.records.ids import LoopName, TaskId
from loopline.records.task import Progress
from loopline.testing import factories as one
from loopline.testing.desk import GOLD, TEXTS, Desk, tasks


class TaskQueueContract:
    """The laws of ``ports.task_queue``: what is handed out, and to whom."""

    def make(self) -> Desk:
        """An empty desk."""
        raise NotImplementedError

    def test_tasks_come_by_priority_then_id(self) -> None:
        """And no more than asked for."""
        desk = self.make()
        desk.publish(one.task("b", "1"), one.task("a", "2"), one.task("z", "3", priority=2), one.task("B", "4"))
        assert desk.claim("ana", count=3) == ["z", "B", "a"]
        assert desk.claim("bob", count=3) == ["b"]
        assert desk.claim("ben", count=0) == []

    def test_a_task_is_handed_out_whole(self) -> None:
        """Every field as published."""
        desk = self.make()
        task = one.task("t1", "naïve — 中文", suggestion="positive", suggested_by="v1", wanted=2, priority=3)
        task = structs.replace(task, skill="law", language="zh", cluster="cycle-1/3", guideline=4, prior=(0.5, 0.5))
        desk.publish(task)
        assert desk.queue.claim(one.claim(skills=("law",), languages=("zh",)), loop=one.LOOP, now=one.NOW) == (task,)

    def test_only_the_asked_strata_are_handed_out(self) -> None:
        """Gold is mixed in by the caller."""
        desk = self.make()
        desk.publish(one.task("a", "1", stratum="gold", gold="positive"), one.task("b", "2", stratum="reserve"))
        assert desk.claim("ana", count=9) == ["b"]
        assert desk.claim("ana", count=9, strata=GOLD) == ["a"]

    def test_a_lease_keeps_others_away_until_it_ends(self) -> None:
        """At its last moment it is over."""
        desk = self.make()
        desk.publish(*tasks(1))
        assert desk.claim("ana", seconds=60) == ["t0"]
        assert desk.claim("bob", at=one.later(59.999)) == []
        assert desk.claim("bob", at=one.later(60)) == ["t0"]

    def test_held_tasks_come_first_and_are_renewed(self) -> None:
        """Even before tasks of higher priority."""
        desk = self.make()
        desk.publish(*tasks(1))
        desk.claim("ana", seconds=60)
        desk.publish(one.task("t9", "new", priority=9))
        assert desk.claim("ana", count=2, at=one.later(50)) == ["t0", "t9"]
        assert desk.claim("bob", count=2, at=one.later(100)) == []

    def test_as_many_people_are_asked_as_wanted(self) -> None:
        """Answers and live leases both count."""
        desk = self.make()
        desk.publish(*tasks(1, wanted=2))
        desk.say("ana", "t0")
        assert desk.claim("bob") == ["t0"]
        assert desk.claim("eve") == []
        desk.say("bob", "t0")
        assert desk.claim("eve", at=one.later(999)) == []

    def test_a_raise_asks_as_many_people_as_it_says(self) -> None:
        """``wanted`` is what the last one said, everywhere it is shown."""
        desk = self.make()
        desk.publish(*tasks(1))
        desk.say("ana", "t0")
        desk.want("t0", 2)
        desk.want("t0", 3)
        assert desk.claim("ana", at=one.later(999)) == []
        assert (desk.claim("bob"), desk.claim("eve"), desk.claim("kim")) == (["t0"], ["t0"], [])
        assert desk.book.answers(one.LOOP, cycle=1).tasks[0].wanted == 3
        assert (desk.progress().done, desk.progress().tasks) == (0, 1)
        desk.want("t0", 1)
        assert desk.book.answers(one.LOOP, cycle=1).tasks[0].wanted == 1
        assert desk.progress().is_complete
        assert desk.claim("zoe", at=one.later(999)) == []

    def test_a_task_wanted_by_nobody_is_done_without_an_answer_until_it_is_wanted_again(self) -> None:
        """And a task with more answers than wanted is done too."""
        desk = self.make()
        desk.publish(*tasks(2))
        for person in ("ana", "bob"):
            desk.say(person, "t1")
        desk.want("t0", 0)
        assert (desk.claim("eve", count=9), desk.progress().is_complete) == ([], True)
        desk.want("t0", 1)
        assert (desk.claim("eve", count=9), desk.progress().is_complete) == (["t0"], False)

    def test_nobody_is_asked_twice(self) -> None:
        """Not about what they answered, nor about its content under another name."""
        desk = self.make()
        desk.publish(one.task("t1", "good", wanted=3), one.task("t2", "good", cycle=2, wanted=3))
        assert desk.claim("ana", count=9) == ["t1"]
        desk.say("ana", "t1")
        assert desk.claim("ana", count=9, at=one.later(999)) == []
        assert desk.claim("bob", count=1) == ["t1"]

    def test_who_let_a_lease_run_out_may_have_that_task_again(self) -> None:
        """But not its content under another name."""
        desk = self.make()
        desk.publish(one.task("t1", "good"))
        desk.claim("ana")
        desk.publish(one.task("t0", "good", cycle=2))
        assert desk.claim("ana", count=9, at=one.later(999)) == ["t1"]

    def test_gold_is_always_open(self) -> None:
        """To everyone who has not seen it, also after its batch was labelled."""
        desk = self.make()
        desk.publish(one.task("g1", "good", stratum="gold", gold="positive"))
        desk.say("ana", "g1")
        desk.commit(one.label_batch())
        assert [desk.claim(who, strata=GOLD) for who in ("bob", "eve", "ana")] == [["g1"], ["g1"], []]

    def test_a_batch_that_is_over_is_not_handed_out(self) -> None:
        """Neither when it has labels nor when its cycle is closed."""
        desk = self.make()
        desk.publish(*(one.task(f"t{n}", TEXTS[n], cycle=n) for n in (1, 2, 3)))
        desk.commit(one.label_batch(cycle=1))
        desk.commit(one.cycle(1, phase="labelled"), one.cycle(2, phase="closed"), one.cycle(3, phase="published"))
        assert desk.claim("ana", count=9) == ["t3"]

    def test_a_paused_annotator_gets_nothing_and_holds_nothing(self) -> None:
        """Until they are active again."""
        desk = self.make()
        desk.publish(*tasks(2))
        assert desk.claim("ana") == ["t0"]
        desk.commit(one.standing("ana", state="paused"))
        assert desk.claim("ana", count=9) == []
        assert desk.claim("bob") == ["t0"]
        desk.commit(one.standing("ana", state="active"))
        assert desk.claim("ana", count=9) == ["t0", "t1"]

    def test_the_answers_of_a_paused_annotator_are_asked_for_again(self) -> None:
        """From others."""
        desk = self.make()
        desk.publish(*tasks(2))
        desk.say("ana", "t0")
        desk.say("bob", "t1")
        desk.commit(one.standing("ana", state="paused"), one.standing("bob"))
        assert desk.claim("eve", count=9) == ["t0"]

    def test_loops_share_nothing(self) -> None:
        """Neither tasks nor pauses."""
        desk, other = self.make(), LoopName("other")
        desk.publish(one.task("t1", "good"), one.task("o1", "good", loop=other))
        desk.commit(one.standing("ana", state="paused", loop=other))
        assert desk.claim("ana", count=9) == ["t1"]
        assert desk.queue.claim(one.claim("bob"), loop=other, now=one.NOW)[0].id == "o1"
        with pytest.raises(NotFound):
            desk.queue.submit([one.annotation(task="t1")], loop=other)

    def test_a_skipped_task_goes_to_someone_else(self) -> None:
        """At once, and a second skip changes nothing."""
        desk = self.make()
        desk.publish(*tasks(1))
        desk.claim("ana")
        for _ in range(2):
            desk.queue.skip(one.skip(task="t0"), loop=one.LOOP)
        assert (desk.claim("ana", at=one.later(999)), desk.claim("bob")) == ([], ["t0"])
        with pytest.raises(NotFound, match="no task 'nowhere'"):
            desk.queue.skip(one.skip(task="nowhere"), loop=one.LOOP)


class AnswersContract:
    """The laws of ``ports.task_queue``: what people say, and what of it stands."""

    def make(self) -> Desk:
        """An empty desk."""
        raise NotImplementedError

    def test_an_answer_is_read_back_as_given(self) -> None:
        """Every field."""
        desk = self.make()
        desk.publish(*tasks(1))
        said = {"comment": "naïve — 中文", "is_flagged": True, "is_bulk": True}
        answer = one.annotation("a", task="t0", at=one.later(0.000001), seconds=0.1, **said)
        assert desk.submit(answer) == 1
        assert desk.book.answers(one.LOOP, cycle=1) == Answers(tuple(tasks(1)), (answer,), ())

    def test_an_answer_counts_once(self) -> None:
        """By its id, and by task and annotator; also within one batch."""
        desk = self.make()
        desk.publish(*tasks(2, wanted=2))
        twice = one.annotation("a", task="t0")
        assert desk.submit(twice, twice) == 1
        assert desk.submit(twice, one.annotation("b", task="t0", label="negative")) == 0
        assert [one_.label for one_ in desk.book.answers(one.LOOP, cycle=1).annotations] == ["positive"]
        assert desk.progress().annotations == 1

    @pytest.mark.parametrize("changes", [{"task": "t1"}, {"annotator": "bob"}, {"label": "negative"}])
    def test_another_answer_under_a_used_id_is_refused_and_never_swallowed(self, changes: dict[str, str]) -> None:
        """Nothing of the call is stored, before or after it; under a new id it is welcome."""
        desk = self.make()
        desk.publish(*tasks(3, wanted=2))
        first = one.annotation("a", task="t0")
        desk.submit(first)
        before = one.annotation("b", task="t2", annotator="eve")
        after = one.annotation("c", task="t2", annotator="kim")
        with pytest.raises(Conflict) as error:
            desk.submit(before, structs.replace(first, **changes), after)
        whose = "another person's answer" if "annotator" in changes else "the answer of ana to task t0"
        assert str(error.value) == f"answer a: the id stands for {whose}, expected a new id"
        assert desk.book.answers(one.LOOP, cycle=1).annotations == (first,)
        assert desk.claim("eve", count=9) == ["t0", "t1", "t2"]
        assert desk.submit(before, first, after) == 2

    def test_two_answers_under_one_id_in_one_call_are_both_refused(self) -> None:
        """The first is not stored either."""
        desk = self.make()
        desk.publish(*tasks(2))
        with pytest.raises(Conflict, match="the id stands for the answer of ana to task t0, expected a new id"):
            desk.submit(one.annotation("a", task="t0"), one.annotation("a", task="t1"))
        assert (desk.standing(), desk.progress().annotations) == ([], 0)

    def test_who_passed_is_read_with_the_batch(self) -> None:
        """Also who passed on the same content in another cycle: they are not asked again."""
        desk = self.make()
        desk.publish(one.task("t1", "good"), one.task("t2", "bad"), one.task("o1", "good", cycle=2))
        first = one.skip(task="t1", at=one.later(0.000001))
        other = one.skip(task="o1", annotator="bob", reason="no idea", at=one.later(3))
        for skip in (other, first):
            desk.queue.skip(skip, loop=one.LOOP)
        said = desk.book.answers(one.LOOP, cycle=1)
        assert said.skips == (first, structs.replace(other, task=TaskId("t1")))
        assert [desk.claim(person, count=9) for person in ("ana", "bob")] == [["t2"], []]
        assert desk.book.answers(one.LOOP, cycle=9).skips == ()

    def test_all_that_was_ever_given_is_read_whether_it_stands_or_not(self) -> None:
        """Answers of paused people and undone ones; of this cycle."""
        desk = self.make()
        desk.publish(*tasks(1, wanted=3), one.task("c2", "other", cycle=2))
        for who, task in (("eve", "t0"), ("bob", "t0"), ("ana", "t0"), ("ana", "c2")):
            desk.say(who, task)
        desk.withdraw("ana-t0")
        desk.commit(one.standing("bob", state="paused"))
        assert desk.standing() == ["eve-t0"]
        assert [a.id for a in desk.book.given(one.LOOP, cycle=1)] == ["ana-t0", "bob-t0", "eve-t0"]

    def test_a_late_answer_counts(self) -> None:
        """Though the lease ran out, and though nobody claimed."""
        desk = self.make()
        desk.publish(*tasks(1))
        desk.claim("ana", seconds=1)
        desk.claim("bob", at=one.later(2))
        assert desk.say("ana", "t0") + desk.say("bob", "t0") + desk.say("eve", "t0") == 3
        assert desk.progress().annotations == 3

    def test_answers_with_an_unknown_task_among_them_are_all_refused(self) -> None:
        """Nothing of the batch is stored."""
        desk = self.make()
        desk.publish(*tasks(1))
        with pytest.raises(NotFound) as error:
            desk.submit(one.annotation("a", task="t0"), one.annotation("b", task="nowhere"))
        assert str(error.value) == "no task 'nowhere'"
        assert desk.standing() == []
        assert desk.submit() == 0

    def test_answers_come_by_task_then_id_and_tasks_by_id(self) -> None:
        """Whatever the order of arrival."""
        desk = self.make()
        desk.publish(one.task("b", "1", wanted=2), one.task("a", "2", stratum="gold", gold="neutral"))
        desk.publish(one.task("c", "3", cycle=2))
        for who, task in (("eve", "b"), ("ana", "b"), ("bob", "a"), ("bob", "c")):
            desk.say(who, task)
        assert desk.standing() == ["bob-a", "ana-b", "eve-b"]
        assert [task.id for task in desk.book.answers(one.LOOP, cycle=1).tasks] == ["a", "b"]

    def test_an_undone_answer_no_longer_stands_and_its_author_has_the_task_again(self) -> None:
        """For as long as before; then anyone may have it."""
        desk = self.make()
        desk.publish(*tasks(1))
        desk.claim("ana", seconds=60)
        desk.say("ana", "t0")
        assert desk.withdraw("ana-t0", at=one.later(100)) == tasks(1)[0]
        assert (desk.standing(), desk.progress().done, desk.book.answered(one.LOOP, "ana")) == ([], 0, (0, 0))
        assert desk.claim("bob", at=one.later(159)) == []
        assert desk.claim("ana", at=one.later(120), seconds=40) == ["t0"]
        assert desk.claim("bob", at=one.later(160)) == ["t0"]

    def test_an_undone_answer_can_be_given_anew_but_not_by_its_old_id(self) -> None:
        """A retry of the old request must not bring it back."""
        desk = self.make()
        desk.publish(*tasks(1))
        desk.say("ana", "t0")
        desk.withdraw("ana-t0")
        with pytest.raises(Conflict) as error:
            desk.say("ana", "t0")
        assert str(error.value) == (
            "answer ana-t0: the id stands for the undone answer of ana to task t0, expected a new id"
        )
        assert desk.submit(one.annotation("new", task="t0", label="negative")) == 1
        assert desk.withdraw("ana-t0") == tasks(1)[0]
        assert (desk.standing(), desk.progress().done) == (["new"], 1)

    def test_only_own_answers_of_an_open_batch_can_be_undone(self) -> None:
        """The refusal says why."""
        desk = self.make()
        desk.publish(*tasks(1))
        desk.say("ana", "t0")
        with pytest.raises(NotFound, match="no answer 'nothing'"):
            desk.withdraw("nothing")
        with pytest.raises(Conflict) as error:
            desk.withdraw("ana-t0", by="bob")
        assert str(error.value) == "answer ana-t0: another annotator's, expected one by bob"
        desk.commit(one.label_batch())
        with pytest.raises(Conflict) as error:
            desk.withdraw("ana-t0")
        assert str(error.value) == "answer ana-t0: the batch of cycle 1 is labelled, expected an open batch"
        assert desk.standing() == ["ana-t0"]

    def test_the_answers_of_a_paused_annotator_do_not_stand_gold_excepted(self) -> None:
        """And stand again when the pause ends."""
        desk = self.make()
        desk.publish(*tasks(1), one.task("g1", "gold", stratum="gold", gold="positive"))
        for who in ("ana", "bob"):
            desk.say(who, "g1")
        desk.say("ana", "t0")
        desk.commit(one.standing("ana", state="paused"))
        assert desk.standing() == ["ana-g1", "bob-g1"]
        assert desk.progress() == Progress(tasks=1, done=0, annotations=2, by_stratum={"chosen": (0, 1)})
        desk.commit(one.standing("ana", gold_seen=20))
        assert desk.progress() == Progress(tasks=1, done=1, annotations=3, by_stratum={"chosen": (1, 1)})

    def test_progress_leaves_gold_out_but_counts_its_answers(self) -> None:
        """As many annotations as the book has standing answers."""
        desk = self.make()
        desk.publish(
            one.task("c1", "1", wanted=2),
            one.task("c2", "2"),
            one.task("r1", "3", stratum="reserve"),
            one.task("g1", "4", stratum="gold", gold="neutral"),
            one.task("x1", "5", cycle=2),
        )
        for who, task in (("ana", "c1"), ("ana", "c2"), ("bob", "c2"), ("ana", "g1"), ("ana", "x1")):
            desk.say(who, task)
        assert desk.progress() == Progress(
            tasks=3, done=1, annotations=4, by_stratum={"chosen": (1, 2), "reserve": (0, 1)}
        )
        assert desk.progress().annotations == len(desk.standing())
        assert desk.book.progress(one.LOOP, cycle=9) == Progress(tasks=0, done=0, annotations=0, by_stratum={})

    def test_gold_answers_come_in_order_of_time_by_anyone(self) -> None:
        """Of all cycles, paused annotators included, undone ones not."""
        desk = self.make()
        gold = [one.task(f"g{n}", TEXTS[n], cycle=n, stratum="gold", gold="neutral") for n in (1, 2)]
        desk.publish(*gold, *tasks(1))
        for name, task, who, seconds in (("z", "g2", "ana", 3), ("y", "g1", "bob", 2), ("x", "g1", "eve", 2)):
            desk.submit(one.annotation(name, task=task, annotator=who, at=one.later(seconds)))
        desk.submit(one.annotation("w", task="g1"), one.annotation("v", task="t0"))
        desk.withdraw("w")
        desk.commit(one.standing("bob", state="paused"))
        pairs = desk.book.gold_answers(one.LOOP)
        assert [(task.id, annotation.id) for task, annotation in pairs] == [("g1", "x"), ("g1", "y"), ("g2", "z")]
        assert pairs[0][0] == gold[0]

    def test_answers_given_are_counted_with_those_to_gold(self) -> None:
        """Over all cycles, for each annotator alone."""
        desk = self.make()
        desk.publish(*tasks(2), one.task("g1", "gold", cycle=2, stratum="gold", gold="neutral"))
        for who, task in (("ana", "t0"), ("ana", "t1"), ("ana", "g1"), ("bob", "g1")):
            desk.say(who, task)
        assert [desk.book.answered(one.LOOP, who) for who in ("ana", "bob", "eve")] == [(3, 1), (1, 1), (0, 0)]

    def test_an_answer_that_was_undone_before_its_author_was_paused_takes_nothing_from_the_others(self) -> None:
        """It was taken out once, when it was undone."""
        desk = self.make()
        desk.publish(*tasks(1))
        desk.say("ana", "t0")
        desk.withdraw("ana-t0")
        desk.say("bob", "t0")
        desk.commit(one.standing("ana", state="paused"))
        assert desk.progress() == Progress(tasks=1, done=1, annotations=1, by_stratum={"chosen": (1, 1)})
        assert desk.claim("eve", at=one.later(999)) == []
