from functools import partial
from itertools import count

import msgspec
import numpy as np
import pytest

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.memory.state import MemoryState
from loopline.annotate.assignment import Ground, spelling
from loopline.annotate.labelling import Method, recomputed
from loopline.annotate.questions import BUILT_IN
from loopline.annotate.rulings import ruled
from loopline.annotate.stage import aggregate, claim, publish, review
from loopline.records.settings import AnnotateSettings
from loopline.records.task import Claim, Standing
from loopline.testing.factories import (
    LABELS,
    LOOP,
    NOW,
    annotation,
    candidate,
    cycle,
    entry,
    labelled_row,
    later,
    prediction,
    selection,
    settings,
    standing,
    task,
)

SINGLE = BUILT_IN["single"]
METHOD = Method(SINGLE.method, partial(SINGLE.agreed, labels=LABELS), LABELS)
TRUTH = dict(zip(range(3), LABELS, strict=True))


class Room:
    """Tasks on a table and people who answer them, through the real stage and the memory adapters."""

    def __init__(self, *tasks, **annotate):
        self.state = MemoryState()
        self.ledger, self.queue = MemoryLedger(self.state), MemoryTaskQueue(self.state)
        self.settings = settings(annotate=AnnotateSettings(**annotate))
        self.numbers = count(1)
        self.ledger.commit(entry(f"entry-{next(self.numbers)}", tasks=tasks))

    def claim(self, annotator, n=10):
        wish = Claim(annotator=annotator, count=n, strata=frozenset(), seconds=300)
        return claim(wish, queue=self.queue, book=self.queue, settings=self.settings, now=NOW, secret=b"s")

    def say(self, annotator, name, label):
        number = next(self.numbers)
        said = annotation(f"a{number:05}", task=name, annotator=annotator, label=label, at=later(number))
        self.queue.submit([said], loop=LOOP)

    def pause(self, annotator):
        self.ledger.commit(entry(f"pause {annotator}", records=(standing(annotator, state="paused"),)))

    def review(self):
        standings = self.ledger.all(Standing, LOOP)
        now = later(next(self.numbers))
        reviewed = review(
            cycle(), book=self.queue, question=SINGLE, standings=standings, settings=self.settings, now=now
        )
        changes = entry(f"entry-{next(self.numbers)}", records=reviewed.standings, raises=reviewed.raises)
        self.ledger.commit(changes)
        return reviewed

    def aggregate(self):
        return aggregate(
            cycle(), book=self.queue, question=SINGLE, settings=self.settings, rulings=ruled((), ambiguous="soft")
        )


def wants(reviewed):
    return [(change.task, change.wanted) for change in reviewed.raises]


def publishing(*predictions, chosen=(), gold=(), known=frozenset(), turn=None, **changes):
    log = MemoryLog()
    log.append(predictions)
    return publish(
        selection(*chosen),
        ground=ground(turn or cycle(2), **changes),
        pool=log,
        reserve=log,
        gold=gold,
        known=frozenset(known),
    )


def ground(turn, **changes):
    spell = spelling(partial(SINGLE.canonical, labels=LABELS))
    return Ground(turn, settings(annotate=AnnotateSettings(**changes)), "v1", spell)


def test_a_batch_is_candidates_fresh_reserve_rows_and_gold():
    told = prediction("r2", "told", role="reserve")
    tasks = publishing(
        prediction("p1", "hard"),
        prediction("p2", "any"),
        prediction("r1", "sealed", role="reserve"),
        told,
        chosen=(candidate("p1", "hard"), candidate("p2", "any", draw="audit")),
        gold=[labelled_row("g1", "plain")],
        known={told.content},
        overlap_min=2,
        blind=0.0,
    )
    found = {(t.sample, t.stratum, t.inputs, t.suggestion, t.suggested_by, t.wanted, t.cycle) for t in tasks}
    assert found == {
        ("p1", "chosen", b'"hard"', "positive", "v1", 2, 2),
        ("p2", "audit", b'"any"', "", "", 2, 2),
        ("r1", "reserve", b'"sealed"', "", "", 2, 2),
        ("g1", "gold", b'"plain"', "", "", 1, 2),
    }
    assert [t.id for t in tasks] == sorted(t.id for t in tasks)


def test_only_the_reserve_rows_of_the_cycles_window_are_asked_about():
    rows = [prediction(f"r{i}", f"text {i}", role="reserve") for i in range(5)]
    log = MemoryLog()
    log.append([prediction("p1", "hard"), *rows])
    window = cycle(2, after=2, until=4)
    made = publish(
        selection(candidate("p1", "hard")), ground=ground(window), pool=log, reserve=log, gold=(), known=frozenset()
    )
    assert sorted(t.sample for t in made if t.stratum == "reserve") == ["r1", "r2"]


def test_an_input_that_is_both_chosen_and_sealed_is_asked_about_for_the_reserve_only():
    tasks = publishing(
        prediction("p1", "same", group="u1"),
        prediction("r1", "same", group="u2", role="reserve"),
        chosen=(candidate("p1", "same"),),
        gold=[labelled_row("g1", "same")],
    )
    assert [(t.sample, t.stratum) for t in tasks] == [("r1", "reserve")]


def test_publishing_again_gives_the_same_bytes():
    rows = [prediction(f"p{i}", f"text {i}") for i in range(30)]
    chosen = tuple(candidate(f"p{i}", f"text {i}") for i in range(30))
    gold = [labelled_row(f"g{i}", f"gold {i}") for i in range(90)]
    once, again = (publishing(*rows, chosen=chosen, gold=gold) for _ in range(2))
    assert msgspec.json.encode(once) == msgspec.json.encode(again)


def sealed(tasks):
    return [t.sample for t in tasks if t.stratum == "reserve"]


def test_a_reserve_of_any_size_asks_people_about_three_times_the_budget_at_most():
    rows = [prediction(f"r{i}", f"text {i % 400}", role="reserve") for i in range(800)]
    turns = [cycle(2, budget=20), cycle(2, budget=20), cycle(2, budget=20, seed=9), cycle(2, budget=3)]
    rows.append(prediction("p1", "hard"))
    drawn = [sealed(publishing(*rows, chosen=[candidate("p1", "hard")], turn=turn)) for turn in turns]
    assert [len(set(samples)) for samples in drawn] == [60, 60, 60, 30]
    assert drawn[0] == drawn[1] != drawn[2]
    told = {row.content for row in rows if row.id in drawn[0]}
    later_on = sealed(publishing(*rows, chosen=[candidate("p1", "hard")], known=told, turn=turns[0]))
    assert (len(later_on), set(later_on) & set(drawn[0])) == (60, set())


def work(n):
    return [task(f"w{i:03}", f"work {i}") for i in range(n)]


def gold(n):
    return [task(f"g{i:03}", f"gold {i}", stratum="gold", gold=TRUTH[i % 3]) for i in range(n)]


def test_a_claim_holds_hidden_gold_at_the_configured_rate():
    room = Room(*work(400), *gold(60))
    served = []
    while claimed := room.claim("ana", 7):
        for one in claimed:
            room.say("ana", one.id, "positive")
            served.append(one.stratum == "gold")
    assert served.count(False) == 400
    assert sum(served[:100]) == pytest.approx(20, abs=10)
    assert sum(served[100:]) == pytest.approx(0.05 * len(served[100:]), abs=12)


@pytest.mark.slow
def test_claiming_again_after_each_answer_meets_no_more_gold_than_claiming_in_batches():
    meetings = []
    for batch in (1, 4, 20):
        room, served = Room(*work(150), *gold(80)), []
        while len(served) < 120:
            first = room.claim("ana", batch)[0]
            room.say("ana", first.id, "positive")
            served.append(first.stratum)
        meetings.append(served)
    assert meetings[0] == meetings[1] == meetings[2]


def test_a_claim_again_gives_the_held_tasks_again():
    room = Room(*work(30), *gold(10))
    assert room.claim("ana") == room.claim("ana")


def test_gold_ends_with_the_work_that_hides_it():
    room = Room(*gold(50))
    answered = 0
    while claimed := room.claim("ana"):
        for one in claimed:
            room.say("ana", one.id, "positive")
        answered += len(claimed)
    assert answered <= 4


def test_a_paused_person_is_served_nothing():
    room = Room(*work(5), *gold(5))
    room.ledger.commit(entry("pause", records=(standing("ana", state="paused"),)))
    assert room.claim("ana") == ()
    assert len(room.claim("ben")) > 0


def test_a_doubtful_task_asks_one_more_and_agreement_ends_it():
    room = Room(task("t1"), task("t2", "bad"))
    room.say("ana", "t1", "positive")
    assert room.review().raises == ()  # nobody else is here yet
    room.say("ben", "t2", "neutral")
    assert wants(room.review()) == [("t1", 2), ("t2", 2)]
    room.say("ben", "t1", "positive")
    assert room.review().raises == ()
    room.say("ana", "t2", "negative")
    room.say("cy", "t1", "positive")
    assert wants(room.review()) == [("t2", 3)]


def test_one_person_alone_can_finish_a_batch():
    room = Room(*work(3))
    for one in room.claim("ana"):
        room.say("ana", one.id, "positive")
    assert room.review().raises == ()
    assert room.queue.progress(LOOP, cycle=1).is_complete


def test_a_reliable_person_is_enough():
    room = Room(*work(1), *gold(100))
    for one in gold(100):
        room.say("ana", one.id, one.gold)
    room.say("ana", "w000", "positive")
    room.say("ben", "g000", "positive")
    reviewed = room.review()
    assert reviewed.raises == ()
    assert {s.annotator: s.gold_right for s in reviewed.standings} == {"ana": 100, "ben": 0}


def test_a_review_without_new_answers_changes_nothing():
    room = Room(*gold(3))
    room.say("ana", "g000", "negative")
    assert len(room.review().standings) == 1
    assert room.review() == ((), ())


def test_a_pause_takes_the_persons_answers_out_and_asks_someone_else():
    room = Room(task("t1"), *gold(10))
    room.say("ana", "t1", "positive")
    for one in gold(10):
        room.say("ana", one.id, "negative" if one.gold != "negative" else "neutral")
    reviewed = room.review()
    assert [(s.annotator, s.state) for s in reviewed.standings] == [("ana", "paused")]
    assert reviewed.standings[0].reason.startswith("paused: 0 of 10 gold answers right, accuracy 0.08; 0.99 sure")
    assert not room.queue.progress(LOOP, cycle=1).is_complete
    assert "t1" in {t.id for t in room.claim("ben")}


def test_a_pause_stays_until_a_person_lifts_it_and_the_lift_holds_until_new_evidence():
    room = Room(*gold(11))
    for one in gold(9):
        room.say("ana", one.id, "negative" if one.gold != "negative" else "neutral")
    paused = room.review().standings[0]
    room.say("ana", "g009", "negative")
    assert room.review().standings == ()
    seen = msgspec.structs.replace(paused, state="active", gold_seen=10, gold_right=1)
    room.ledger.commit(entry("lift", records=(seen,)))
    assert room.review().standings == ()
    room.say("ana", "g010", "negative")
    assert [s.state for s in room.review().standings] == ["paused"]


def test_the_batch_says_what_it_rests_on():
    room = Room(task("t1"), task("t2", "bad", stratum="audit"), task("t3", "hm", stratum="reserve"), *gold(1))
    for name in ("ana", "ben"):
        room.say(name, "t1", "positive")
        room.say(name, "t2", "negative")
        room.say(name, "g000", "negative")
    batch = room.aggregate()
    assert batch.reason == (
        "2 labels from 4 answers of 2 people by dawid-skene.v2; alpha 1.00 (n = 2); "
        "1 of 3 tasks without an answer (1 reserve)"
    )
    assert [(one.stratum, one.label, one.annotators) for one in batch.labels] == [
        ("chosen", "positive", ("ana", "ben")),
        ("audit", "negative", ("ana", "ben")),
    ]
    assert (batch.id, batch.cycle, batch.method, batch.annotations) == ("cycle-1", 1, "dawid-skene.v2", 4)
    assert (batch.alpha, batch.alpha_n) == (1.0, 2)
    assert all(sum(one.posterior) == pytest.approx(1.0) for one in batch.labels)


def test_the_labels_are_recomputed_from_their_own_answers_after_late_answers_and_a_pause():
    room = Room(task("t1", wanted=3), task("t2", "bad"), *gold(1))
    for name in ("ana", "ben"):
        room.say(name, "t1", "positive")
        room.say(name, "g000", "negative")
    batch = room.aggregate()
    room.ledger.commit(entry("labels", records=(batch,)))
    for name, label in (("cy", "neutral"), ("dan", "neutral"), ("eve", "neutral")):
        room.say(name, "t1", label)
        room.say(name, "t2", label)
    room.pause("ana")
    assert room.aggregate().labels != batch.labels
    tasks, given = room.queue.answers(LOOP, cycle=1).tasks, room.queue.given(LOOP, cycle=1)
    assert msgspec.json.encode(recomputed(batch, tasks, given, method=METHOD)) == msgspec.json.encode(batch)
    assert batch.answers == tuple(f"a{n:05}" for n in (2, 3, 4, 5))


def test_a_batch_that_nobody_answered_has_no_labels():
    batch = Room(task("t1")).aggregate()
    assert (batch.labels, batch.alpha, batch.alpha_n, batch.annotations) == ((), -1.0, 0, 0)
    assert batch.reason.startswith("0 labels from 0 answers of 0 people by dawid-skene.v2; no alpha")


def simulated_batch(seed):
    """Four people of accuracy 0.85 and eve, who answers at random 40 % of the time; runs until all is answered."""
    rng = np.random.default_rng(seed)
    samples = [task(f"w{i:03}", f"work {i}", stratum=("chosen", "audit", "reserve")[i % 3]) for i in range(100)]
    truth = {one.id: LABELS[rng.integers(3)] for one in samples} | {one.id: one.gold for one in gold(40)}
    room = Room(*samples, *gold(40))
    people = ("ana", "ben", "cy", "dan", "eve")

    def answer(name, one):
        if name == "eve" and rng.random() < 0.4:
            return LABELS[rng.integers(3)]
        others = [label for label in LABELS if label != truth[one]]
        return truth[one] if rng.random() < 0.85 else others[rng.integers(2)]

    for _ in range(200):
        for name in people:
            for one in room.claim(name, 5):
                room.say(name, one.id, answer(name, one.id))
        room.review()
        if room.queue.progress(LOOP, cycle=1).is_complete:
            return room, truth
    raise AssertionError("the batch never ends")


def test_a_whole_batch_by_five_people_ends_with_better_labels_than_any_one_of_them_gives():
    room, truth = simulated_batch(5)
    batch = room.aggregate()
    sample = {one.sample: one.id for one in room.queue.answers(LOOP, cycle=1).tasks}
    right = np.mean([one.label == truth[sample[one.sample]] for one in batch.labels])
    assert len(batch.labels) == 100
    assert right > 0.85
    assert 2.0 < batch.annotations / 100 < 3.0
    assert msgspec.json.encode(room.aggregate()) == msgspec.json.encode(batch)


def test_a_claim_with_gold_in_it_keeps_no_work_away_from_others():
    room = Room(*work(20), *gold(60))
    served = room.claim("ana", 20)
    mine = {one.id for one in served if one.stratum != "gold"}
    assert len(served) == 20 > len(mine)
    others = {one.id for one in room.claim("ben", 50) if one.stratum != "gold"}
    assert (mine & others, len(mine | others)) == (set(), 20)
