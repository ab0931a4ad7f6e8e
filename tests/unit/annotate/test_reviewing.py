"""How many people each task waits for: by stratum, with or without the model, and never for who cannot be asked."""

from functools import partial

import pytest

from loopline.annotate.evidence import Heard
from loopline.annotate.questions import BUILT_IN
from loopline.annotate.reviewing import Room, raised
from loopline.records.settings import AnnotateSettings
from loopline.testing.factories import LABELS, annotation, later, settings, standing, task

SURE = partial(BUILT_IN["single"].sure, labels=LABELS)
PEOPLE = ("ana", "ben", "cy", "dan")


def wants(tasks, *said, standings=(), room=None, **annotate):
    """Task -> wanted, where that changes; ``t1:ana:positive`` in order of time; everybody is there."""
    there = [annotation(f"z{i}", task="other", annotator=name, at=later(0)) for i, name in enumerate(PEOPLE)]
    answers = [
        annotation(f"a{i}", task=name, annotator=who, label=what, at=later(0))
        for i, (name, who, what) in enumerate(one.split(":") for one in said)
    ]
    heard = Heard([*tasks, task("other", "other")], [*there, *answers])
    changes = raised(
        heard, standings=standings, sure=SURE, settings=settings(annotate=AnnotateSettings(**annotate)),
        room=room or Room(later(1)),
    )  # fmt: skip
    return {one.task: one.wanted for one in changes if one.task != "other"}


@pytest.mark.parametrize(("stratum", "wanted"), [("chosen", 1), ("reserve", 3), ("audit", 2), ("relabel", 1)])
def test_each_stratum_is_asked_of_at_least_as_many_as_it_asks_for(stratum, wanted):
    one = [task("t1", stratum=stratum, wanted=9)]
    assert wants(one, overlap_max=5, reserve_min=3, audit_min=2) == {"t1": wanted}


def test_no_stratum_is_asked_of_more_than_it_allows():
    words = ("ana:positive", "ben:negative", "cy:neutral")
    said = [f"t1:{word}" for word in words]
    assert wants([task("t1", stratum="reserve", wanted=4)], *said, reserve_max=3) == {"t1": 3}
    assert wants([task("t1", stratum="reserve", wanted=3)], *said, reserve_max=4) == {"t1": 4}


def test_the_models_word_ends_the_asking_where_it_counts():
    agreed = (0.02, 0.03, 0.95)
    assert wants([task("t1", prior=agreed, wanted=2)], "t1:ana:positive") == {"t1": 1}
    assert wants([task("t1", wanted=1)], "t1:ana:positive") == {"t1": 2}
    assert wants([task("t1", prior=agreed, wanted=1)], "t1:ana:negative") == {"t1": 2}


def test_peers_make_a_person_one_who_is_enough():
    known = standing("ana", gold_seen=0, gold_right=0, peers_seen=100, peers_right=100)
    assert wants([task("t1", wanted=2)], "t1:ana:positive", standings=[known]) == {"t1": 1}


def test_a_settled_task_waits_for_nobody():
    tasks = [task("t1", wanted=3), task("t2", "two", wanted=2)]
    room = Room(later(1), settled=frozenset({"t1", "t2"}))
    assert wants(tasks, "t1:ana:positive", room=room) == {"t1": 1, "t2": 0}


def test_a_settled_task_without_an_answer_does_not_keep_another_open():
    tasks = [task("t1", stratum="relabel"), task("t2", "two", wanted=0)]
    everybody = {tasks[0].content: frozenset(PEOPLE)}
    room = Room(later(1), settled=frozenset({"t2"}), met=lambda _contents: everybody)
    assert wants(tasks, room=room) == {"t1": 0}


def test_who_answered_a_sample_before_is_not_waited_for_when_it_is_asked_again():
    one = task("t1", stratum="relabel")
    room = Room(later(1), met=lambda contents: {content: frozenset({"ana", "ben", "cy"}) for content in contents})
    assert wants([one], "t1:dan:positive", overlap_max=3) == {"t1": 2}
    assert wants([one], "t1:dan:positive", overlap_max=3, room=room) == {}
    everybody = Room(later(1), met=lambda contents: dict.fromkeys(contents, frozenset(PEOPLE)))
    tasks = [one, task("t2", "two")]
    assert wants(tasks, "t2:ana:positive", "t2:ben:positive", room=everybody)["t1"] == 0
