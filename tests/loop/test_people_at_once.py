"""Acts at once, findings that meet, people who only held a sample, gold that was taken back: each comes out one way."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from msgspec import structs

from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.apps.adjudication import Given, decided, withdrawn
from loopline.apps.agreement import Agreements
from loopline.apps.peers import heard
from loopline.errors import Conflict
from loopline.orchestrate import findings
from loopline.orchestrate.acts import act
from loopline.orchestrate.decide import LOOK
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.people import set_standing
from loopline.orchestrate.recalling import met
from loopline.orchestrate.situation import gather
from loopline.ports.clock import Clock
from loopline.ports.task_queue import Answers
from loopline.records.command import Aggregate, Review
from loopline.records.cycle import Cycle
from loopline.records.decision import Decision
from loopline.records.guideline import Remark
from loopline.records.ids import CommandId, LoopName, TaskId
from loopline.records.label import LabelBatch
from loopline.records.settings import AnnotateSettings, CaptureSettings, SelectSettings, TrainSettings
from loopline.records.task import Standing
from loopline.testing.factories import (
    LABELS,
    NOW,
    annotation,
    claim,
    cycle,
    entry,
    label,
    label_batch,
    later,
    settings,
    standing,
    task,
)
from loopline.testing.scripted import ScriptedLoop
from loopline.testing.situations import situation

SECRET = b"s"


class Interrupted:
    """A clock: somebody else acts while it is asked for the time, at this question and no other."""

    def __init__(self, clock: Clock, meanwhile: Callable[[], object], *, at: int) -> None:
        self._clock, self._meanwhile, self._left = clock, meanwhile, at

    def now(self) -> datetime:
        self._left -= 1
        if self._left == 0:
            self._meanwhile()
        return self._clock.now()


@pytest.fixture
def house() -> Iterator[Installation]:
    """A published batch whose first task three people answered differently, and all passed gold but eve."""
    loop = ScriptedLoop(
        settings(
            annotate=AnnotateSettings(), capture=CaptureSettings(), select=SelectSettings(),
            train=TrainSettings(run="train.py:train"),
        )
    )  # fmt: skip
    gold = [task(f"g{i}", f"gold {i}", stratum="gold", gold=LABELS[0]) for i in range(3)]
    loop.ledger.commit(entry("published", cycle(1, phase="published"), tasks=(task("t1", wanted=3), *gold)))
    said = [
        annotation(f"{who}-t1", task="t1", annotator=who, label=what)
        for who, what in zip(("ana", "ben", "cy"), LABELS, strict=True)
    ]
    said += [annotation(f"eve-g{i}", task=f"g{i}", annotator="eve", label=LABELS[1]) for i in range(3)]
    loop.house.queue.submit(said, loop=loop.house.settings.name)
    yield loop.house
    loop.close()


def found(house: Installation, who: str, finding: str = "label", what: str = "neutral") -> Decision:
    given = Given(TaskId("t1"), finding, what, "the example of version 2", is_gold=False, seen="")  # type: ignore[arg-type]
    return decided(house, given, adjudicator=who, secret=SECRET)


def overtaken(house: Installation, *, by: Callable[[], object], at: int = 1) -> Installation:
    """The house for an act, in which another one comes between its looking and its storing."""
    return replace(house, clock=Interrupted(house.clock, by, at=at))


def test_of_two_adjudicators_at_once_the_first_stands_and_the_second_is_told(house: Installation) -> None:
    late = overtaken(house, by=lambda: found(house, "lea"), at=2)
    with pytest.raises(Conflict) as refused:
        found(late, "max", what="positive")
    assert str(refused.value) == "task t1: decided by lea: neutral, expected in doubt; look at it again"
    (stored,) = house.ledger.all(Decision, house.settings.name)
    assert (stored.adjudicator, stored.label) == ("lea", "neutral")


def test_a_gap_that_is_sent_twice_at_once_is_one_finding_and_one_thread(house: Installation) -> None:
    def again() -> None:
        house.clock.advance(1)  # type: ignore[attr-defined]
        found(house, "lea", "guideline gap", "")

    late = overtaken(house, by=again, at=2)
    assert found(late, "lea", "guideline gap", "").finding == "guideline gap"
    assert len(house.ledger.all(Decision, house.settings.name)) == 1
    assert len(house.ledger.all(Remark, house.settings.name)) == 1


def test_a_pause_that_comes_while_people_are_weighed_stands(house: Installation) -> None:
    late = overtaken(house, by=lambda: set_standing(house, "eve", state="paused", by="lea", reason="she guesses"))
    (now,) = house.ledger.all(Cycle, house.settings.name)
    command = Review(id=CommandId("r"), cycle=now, annotations=6, reason="")
    made = act(late, command, seen=situation())
    assert not [one for one in (made.records if made else ()) if isinstance(one, Standing)]
    made = act(house, command, seen=situation())
    assert made is None or not made.records
    house.ledger.commit(entry("back", standing("eve", gold_seen=0, gold_right=0)))
    weighed = act(house, command, seen=situation())
    assert weighed is not None
    assert [(one.annotator, one.gold_seen) for one in weighed.records if isinstance(one, Standing)] == [("eve", 3)]


def test_of_two_findings_about_one_sample_the_last_holds_for_good(house: Installation) -> None:
    first, again = task("t1"), task("r1", cycle=2, stratum="relabel")
    decisions = [
        Decision(
            loop=one.loop, task=one.id, content=one.content, cycle=one.cycle, at=later(place), adjudicator=who,
            finding="label", label=what, reason="because", is_gold=True,
        )
        for place, (one, who, what) in enumerate(((again, "max", "positive"), (first, "lea", "neutral")))
    ]  # fmt: skip
    gap = structs.replace(decisions[0], finding="guideline gap", label="", is_gold=False, at=NOW)
    batches = [label_batch(label(), id="cycle-1"), label_batch(label(cycle=2), id="cycle-2", cycle=2)]
    house.ledger.commit(entry("then", gap, decisions[1], *batches, tasks=(again,)))

    def late(number: int, *stored: LabelBatch) -> list[str]:
        return [one.label for one in findings.late(house, cycle=number, stored=stored)]

    assert late(3, *batches) == ["neutral"]
    settled = label_batch(
        label(label="neutral", posterior=(0.0, 1.0, 0.0), cycle=3, decided_by="lea"), id="cycle-3", cycle=3
    )
    house.ledger.commit(entry("and", decisions[0]))
    assert late(4, *batches, settled) == []
    assert [one.label for one in findings.gold(house)[len(house.gold()) :]] == ["neutral"]
    assert findings.unlearnable(house) == frozenset()


def test_a_sample_of_which_nobody_can_say_one_answer_judges_no_model(house: Installation) -> None:
    one = task("t1")
    clear, unclear = label("p2", "clear", stratum="reserve"), label(stratum="reserve")
    house.ledger.commit(entry("then", label_batch(unclear, clear)))
    assert set(findings.judging(house)) == {clear, unclear}
    gap = Decision(
        loop=one.loop, task=one.id, content=one.content, cycle=1, at=NOW, adjudicator="lea", finding="guideline gap",
        reason="because",
    )  # fmt: skip
    house.ledger.commit(entry("and", gap))
    assert findings.judging(house) == (clear,)


def test_a_batch_of_which_no_answer_stands_is_no_dataset(house: Installation) -> None:
    """Gold is answered, and whoever answered the rest is paused: there is nothing to train on."""
    (now,) = house.ledger.all(Cycle, house.settings.name)
    house.ledger.commit(entry("out", *(standing(who, state="paused") for who in ("ana", "ben", "cy"))))
    made = act(house, Aggregate(id=CommandId("a"), cycle=now, reason="the deadline has passed"), seen=situation())
    assert made is not None
    (closed,) = made.records
    assert isinstance(closed, Cycle)
    assert (made.event, closed.phase, closed.outcome) == ("cycle.closed", "closed", "inconclusive")
    assert closed.outcome_reason.endswith("1 of 1 task without an answer (1 chosen)")


class Reading(MemoryTaskQueue):
    """Counts how often a whole batch is read."""

    times = 0

    def answers(self, loop: LoopName, *, cycle: int) -> Answers:
        self.times += 1
        return super().answers(loop, cycle=cycle)


def test_a_batch_that_waits_for_an_adjudicator_is_not_read_again_at_each_look(house: Installation) -> None:
    rules = structs.replace(house.settings, annotate=AnnotateSettings(adjudicate=True))
    book = Reading(house.queue.state)  # type: ignore[attr-defined]
    waiting = replace(house, settings=rules, book=book)
    seen = gather(waiting)
    assert (seen.doubts, book.times) == (1, 1)
    for _ in range(3):
        seen = gather(waiting, before=seen)
    assert (seen.doubts, book.times) == (1, 1)
    house.clock.advance(LOOK.total_seconds())  # type: ignore[attr-defined]
    seen = gather(waiting, before=seen)
    assert (seen.doubts, book.times) == (1, 2)
    found(house, "lea")
    assert gather(waiting, before=seen).doubts == 0, "what is found is seen at once"


def test_who_only_held_a_sample_is_not_waited_for_when_it_is_asked_again(house: Installation) -> None:
    """The queue does not give it to them."""
    loop, now, held = house.settings.name, house.clock.now(), task("t2", "two")
    again = task("r2", "two", cycle=2, stratum="relabel")
    house.ledger.commit(entry("more", tasks=(held,)))
    wish = claim("dan", count=9)
    assert house.queue.claim(wish, loop=loop, now=now) == (held,)
    house.clock.advance(wish.seconds)  # type: ignore[attr-defined]
    house.queue.submit([annotation("ana-t2", task="t2", annotator="ana")], loop=loop)
    house.ledger.commit(entry("again", tasks=(again,)))
    assert house.queue.claim(wish, loop=loop, now=house.clock.now()) == ()
    assert met(house, frozenset({again.content}), before=2) == {again.content: {"ana", "dan"}}


def test_agreement_is_of_the_answers_that_gave_the_labels_whoever_is_paused_since(house: Installation) -> None:
    batch = label_batch(label(annotators=("ana", "ben")), answers=("ana-t1", "ben-t1"))
    house.ledger.commit(entry("then", batch, standing("ana", state="paused")))
    assert [one.id for one in heard(house.book, batch).annotations] == ["ana-t1", "ben-t1"]
    (pair,) = Agreements(house).table().pairs
    assert (pair.one, pair.other, pair.samples) == ("ben", "ana", 1)
    old = structs.replace(batch, answers=())
    assert "ana-t1" not in {one.id for one in heard(house.book, old).annotations}


def test_nobody_is_judged_by_gold_that_was_taken_back(house: Installation) -> None:
    (now,) = house.ledger.all(Cycle, house.settings.name)
    gold = task("gd", "text", cycle=0, stratum="gold", gold="neutral", sample="decided-t1")
    house.ledger.commit(entry("gold", tasks=(gold,)))
    house.queue.submit([annotation("dan-gd", task="gd", annotator="dan")], loop=house.settings.name)
    decided(
        house, Given(TaskId("t1"), "label", "neutral", "because", is_gold=True, seen=""), adjudicator="lea",
        secret=SECRET,
    )  # fmt: skip

    def weighed() -> set[str]:
        made = act(house, Review(id=CommandId("r"), cycle=now, annotations=6, reason=""), seen=situation())
        return {one.annotator for one in (made.records if made else ()) if isinstance(one, Standing)}

    assert weighed() == {"dan", "eve"}
    withdrawn(house, TaskId("t1"), by="lea", reason="too soon")
    assert weighed() == {"eve"}
