"""A batch ends whatever people do: leave, pass, or get paused; and who comes back is asked where doubt remains."""

from itertools import count

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.annotate.questions import BUILT_IN
from loopline.annotate.stage import claim, review
from loopline.records.settings import AnnotateSettings
from loopline.records.task import Claim, Standing
from loopline.testing.factories import LOOP, annotation, cycle, entry, later, settings, skip, standing, task

SINGLE = BUILT_IN["single"]
LEASE = 60.0
AWAY = 2 * LEASE + 1
HERE = 2 * LEASE - 1


class Table:
    """Tasks and people over the real stage; every act takes a thousandth of a second, and is reviewed at once."""

    def __init__(self, *names, **annotate):
        self.ledger = MemoryLedger()
        self.queue = MemoryTaskQueue(self.ledger.state)
        self.settings = settings(annotate=AnnotateSettings(lease_seconds=LEASE, **annotate))
        self.seconds, self.numbers = 0.0, count(1)
        self.commit(tasks=tuple(task(name, f"text {name}") for name in names))

    def commit(self, *records, **changes):
        self.ledger.commit(entry(f"entry-{next(self.numbers)}", *records, **changes))

    def say(self, annotator, name, label="positive"):
        said = annotation(f"a{next(self.numbers)}", task=name, annotator=annotator, label=label, at=self.now())
        self.queue.submit([said], loop=LOOP)
        return self.review()

    def skip(self, annotator, name):
        self.queue.skip(skip(task=name, annotator=annotator, at=self.now()), loop=LOOP)
        return self.review()

    def wait(self, seconds):
        self.seconds += seconds
        return self.review()

    def pause(self, annotator):
        self.commit(standing(annotator, state="paused"))
        return self.review()

    def now(self):
        self.seconds += 0.001
        return later(self.seconds)

    def review(self):
        """What changed: task -> wanted."""
        known = self.ledger.all(Standing, LOOP)
        reviewed = review(
            cycle(), book=self.queue, question=SINGLE, standings=known, settings=self.settings, now=self.now()
        )
        self.commit(*reviewed.standings, raises=reviewed.raises)
        return {change.task: change.wanted for change in reviewed.raises}

    def claim(self, annotator):
        wish = Claim(annotator=annotator, count=9, strata=frozenset(), seconds=LEASE)
        now = self.now()
        tasks = claim(wish, queue=self.queue, book=self.queue, settings=self.settings, now=now, secret=b"s")
        return [one.id for one in tasks]

    def ended(self):
        return self.queue.progress(LOOP, cycle=1).is_complete


def test_a_visitor_who_gives_one_answer_and_leaves_does_not_keep_the_batch_open():
    table = Table("t1", "t2")
    table.say("ben", "t1")
    assert table.say("ana", "t2") == {"t1": 2, "t2": 2}
    assert table.say("ana", "t1") == {}
    table.seconds = HERE
    assert table.review() == {}
    assert not table.ended()
    assert table.wait(AWAY - HERE) == {"t2": 1}
    assert table.ended()


def test_a_person_who_leaves_and_comes_back_is_asked_again_where_doubt_remains():
    table = Table("t1", "t2", "t3")
    table.say("ben", "t1")
    table.say("ana", "t2")
    table.say("ana", "t1")
    assert table.wait(AWAY) == {"t2": 1}
    assert table.say("ben", "t3") == {"t2": 2}
    assert table.claim("ben") == ["t2"]
    assert table.say("ben", "t2") == {}
    assert table.ended()


def test_a_task_that_one_of_two_people_skips_does_not_wait_for_a_third():
    table = Table("t1", "t2")
    table.say("ben", "t2")
    assert table.say("ana", "t1") == {"t1": 2, "t2": 2}
    assert table.skip("ben", "t1") == {"t1": 1}
    assert table.say("ana", "t2") == {}
    assert table.ended()


def test_a_task_that_everybody_present_skips_is_over_once_the_rest_is_done():
    table = Table("t1", "t2", "t3")
    assert table.skip("ana", "t1") == {}
    assert table.skip("ana", "t2") == {}
    assert not table.ended()
    assert table.say("ana", "t3") == {"t1": 0, "t2": 0}
    assert table.ended()


def test_a_task_that_was_over_is_asked_again_of_who_comes():
    table = Table("t1", "t2")
    table.skip("ana", "t1")
    assert table.say("ana", "t2") == {"t1": 0}
    assert table.say("ben", "t2") == {"t1": 1}
    assert table.claim("ben") == ["t1"]


def test_a_task_that_nobody_is_there_to_answer_waits():
    table = Table("t1", "t2")
    table.skip("ana", "t1")
    table.say("ben", "t2")
    assert table.wait(AWAY) == {"t2": 1}
    assert not table.ended()
    assert table.claim("ben") == ["t1"]
    assert Table("t1").wait(10 * AWAY) == {}


def test_a_task_that_was_over_stays_so_while_nobody_is_there():
    table = Table("t1", "t2")
    table.say("ben", "t2")
    table.skip("ana", "t1")
    table.wait(AWAY)
    table.say("ana", "t2")
    assert table.ended()
    assert table.wait(AWAY) == {}
    assert table.ended()


def test_a_task_that_all_passed_on_while_nobody_looked_is_over():
    """The loop was down from the last of them on until all had gone."""
    table = Table("t1", "t2")
    table.say("ana", "t2")
    table.queue.skip(skip(task="t1", annotator="ana", at=table.now()), loop=LOOP)
    assert table.wait(AWAY) == {"t1": 0}
    assert table.ended()


def test_the_content_skipped_in_an_earlier_cycle_does_not_keep_the_batch_open():
    table = Table("t2")
    table.commit(tasks=(task("o1", "same", cycle=2), task("t1", "same")))
    table.skip("ana", "o1")
    assert table.claim("ana") == ["t2"]
    assert table.say("ana", "t2") == {"t1": 0}
    assert table.ended()


def test_the_second_person_paused_does_not_keep_the_batch_open():
    table = Table("t1", "t2")
    table.say("ben", "t2")
    assert table.say("ana", "t1") == {"t1": 2, "t2": 2}
    assert table.say("ana", "t2") == {}
    assert table.pause("ben") == {"t1": 1, "t2": 1}
    assert table.ended()


def test_one_person_alone_ends_a_batch_that_needs_one():
    table = Table("t1", "t2", overlap_min=1, overlap_max=3)
    table.say("ana", "t1")
    table.say("ana", "t2")
    assert table.ended()


def test_what_needs_two_people_waits_for_the_second_and_who_passes_is_one():
    table = Table("t1", "t2", overlap_min=2, overlap_max=3)
    table.say("ana", "t1")
    table.say("ana", "t2")
    assert not table.ended()
    table.say("ben", "t1")
    table.skip("ben", "t2")
    assert table.ended()


def test_doubt_still_asks_everyone_present_up_to_the_overlap():
    table = Table("t1", "t2", "t3", "t4")
    for person, name in (("ana", "t1"), ("ben", "t2"), ("cy", "t3"), ("dan", "t4")):
        table.say(person, name)
    assert table.say("ben", "t1", "negative") == {"t1": 3}
    assert table.say("cy", "t1", "neutral") == {}
    assert "t1" not in table.claim("dan")


def test_the_batch_is_reviewed_alike_twice():
    table = Table("t1", "t2", "t3")
    for person, name in (("ana", "t1"), ("ben", "t2")):
        table.say(person, name)
    table.skip("ana", "t3")
    assert table.review() == {}
