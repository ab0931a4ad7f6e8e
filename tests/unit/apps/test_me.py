"""A person's own page: what they did, how well they agree with the others, and what is left."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.apps.people_desk import Desk, person

from loopline.apps.peers import Tally, tallies
from loopline.ports.task_queue import Answers
from loopline.records.task import Annotation, Task
from loopline.testing import factories as make
from loopline.testing.factories import LOOP, NOW
from loopline.testing.rooms import rooms

ANA = person("ana", "annotator", "adjudicator", languages=("de", "en"), skills=("law",), quota=40)
NUMBERS = ("answered", "today", "quota", "agreement", "pace_seconds", "left")


@pytest.fixture
def desk() -> Desk:
    return Desk(rooms(now=NOW))


def me(desk: Desk, caller: Any = ANA) -> dict[str, Any]:
    found: dict[str, Any] = desk.ask("GET", "/api/me", caller=caller).json()
    return found


def batch(desk: Desk, cycle: int, said: dict[str, str], *, gold: str = "") -> None:
    """A batch of one task a letter; ``said``: person -> one label's first letter a task, a blank for none."""
    labels = {"p": "positive", "n": "negative", "u": "neutral"}
    count = max(map(len, said.values()))
    names = [f"c{cycle}-{n}" for n in range(count)]
    strata = {name: {"stratum": "gold", "gold": "neutral"} if name in gold.split() else {} for name in names}
    tasks = [make.task(name, f"text {name}", cycle=cycle, wanted=9, **strata[name]) for name in names]
    desk.publish(*tasks, cycle=cycle)
    given = [
        make.annotation(f"{who}-{name}", task=name, annotator=who, label=labels[letter])
        for who, letters in said.items()
        for name, letter in zip(names, letters, strict=True)
        if letter != " "
    ]
    desk.house.queue.submit(given, loop=LOOP)


def labelled(desk: Desk, cycle: int) -> None:
    desk.house.ledger.commit(make.entry(f"labelled-{cycle}", make.label_batch(id=f"cycle-{cycle}", cycle=cycle)))


def test_who_has_done_nothing_yet_is_told_so(desk: Desk) -> None:
    found = me(desk)
    assert {key: found[key] for key in ("name", "roles", "language", "skills")} == {
        "name": "ana",
        "roles": ["annotator", "adjudicator"],
        "language": "de",
        "skills": ["law"],
    }
    assert [found[key] for key in NUMBERS] == [0, 0, 40, None, None, {"tasks": 0, "seconds": None}]
    assert [day["answers"] for day in found["days"]] == [0] * 30
    assert (found["days"][0]["date"], found["days"][-1]["date"]) == ("2025-12-07", "2026-01-05")
    unsigned = desk.ask("GET", "/api/me?annotator=bridge").json()
    assert (unsigned["name"], unsigned["roles"], unsigned["quota"]) == ("bridge", [], 0)
    assert desk.ask("GET", "/api/me").status_code == 400


def test_answers_count_on_the_utc_day_on_which_they_were_given_until_they_are_taken_back(desk: Desk) -> None:
    at = [NOW - timedelta(days=days) for days in (0, 0, 1, 29, 30)] + [NOW.replace(hour=0)]
    desk.publish(*(make.task(f"t{n}", f"text {n}") for n in range(len(at))))
    desk.house.queue.submit([make.annotation(f"a{n}", task=f"t{n}", at=when) for n, when in enumerate(at)], loop=LOOP)
    desk.post("/api/undo", ANA, annotation="a0")
    found = me(desk)
    counts = [day["answers"] for day in found["days"]]
    assert (counts[0], counts[-2], counts[-1], sum(counts)) == (1, 1, 2, 4)
    assert (found["today"], found["answered"]) == (2, 5)


def test_pace_is_the_median_of_what_was_answered_one_by_one(desk: Desk) -> None:
    desk.publish(*(make.task(f"t{n}", f"text {n}") for n in range(12)))
    seconds = (2.0, 4.0, 90.0)
    own = [make.annotation(f"a{n}", task=f"t{n}", seconds=each) for n, each in enumerate(seconds)]
    bulk = [make.annotation(f"b{n}", task=f"t{n}", seconds=1.0, is_bulk=True) for n in range(3, 9)]
    desk.house.queue.submit(own[:2] + bulk, loop=LOOP)
    assert me(desk)["pace_seconds"] is None
    desk.house.queue.submit(own, loop=LOOP)
    found = me(desk)
    assert (found["pace_seconds"], found["left"]) == (4.0, {"tasks": 10, "seconds": 40.0})
    few = person("ana", quota=10)
    assert me(desk, few)["left"] == {"tasks": 1, "seconds": 4.0}, "nine of ten were given today"


def test_agreement_is_with_the_others_on_batches_that_are_labelled_and_never_on_gold(desk: Desk) -> None:
    batch(desk, 1, {"ana": "pnupn", "bo": "pnun ", "chidi": "pn un"}, gold="c1-4")
    assert me(desk)["agreement"] is None, "the batch is open"
    labelled(desk, 1)
    found = me(desk)["agreement"]
    # the first two as both others; the third as bo alone; of the fourth, the others disagree; the fifth is gold
    assert (found["share"], found["n"]) == (1.0, 3)
    assert (found["low"], found["high"]) == (0.439, 1.0)
    batch(desk, 2, {"ana": "uu", "bo": "pp", "chidi": "p "})
    labelled(desk, 2)
    assert (me(desk)["agreement"]["share"], me(desk)["agreement"]["n"]) == (0.6, 5)
    assert (me(desk, person("bo"))["agreement"]["share"], me(desk, person("bo"))["agreement"]["n"]) == (0.75, 4)


def test_nobody_agrees_with_themselves() -> None:
    tasks: tuple[Task, ...] = tuple(make.task(f"t{n}", f"text {n}") for n in range(2))
    said: list[Annotation] = [
        make.annotation("1", task="t0", annotator="ana", label="neutral"),
        make.annotation("2", task="t1", annotator="ana", label="neutral"),
        make.annotation("3", task="t1", annotator="bo", label="positive"),
        make.annotation("4", task="t1", annotator="chidi", label="positive", is_bulk=True),
    ]
    assert tallies(Answers(tasks, tuple(said), ())) == {"ana": Tally(0, 1), "bo": Tally(0, 1)}


def test_a_batch_is_counted_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    batch(desk, 1, {"ana": "p", "bo": "p"})
    labelled(desk, 1)
    me(desk)
    monkeypatch.setattr(desk.house.book, "answers", lambda *_, **__: pytest.fail("read again"))
    assert me(desk)["agreement"]["n"] == 1
