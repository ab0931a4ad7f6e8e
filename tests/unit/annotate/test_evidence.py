"""What is known of a person: gold, and those peers whose word does not hang on theirs."""

from functools import partial

import numpy as np
import pytest
from msgspec import structs

from loopline.annotate.evidence import Heard, from_gold, from_peers, known_of, latest, trusted
from loopline.annotate.gold import WINDOW
from loopline.annotate.questions import BUILT_IN
from loopline.annotate.reviewing import weighed
from loopline.records.settings import AnnotateSettings
from loopline.testing.factories import LABELS, annotation, later, settings, standing, task

SURE = partial(BUILT_IN["single"].sure, labels=LABELS)
OF_TASK = [task("t1")]


def said(*words, task="t1"):
    """``ana:positive`` in the order of time."""
    pairs = [word.split(":") for word in words]
    return [
        annotation(f"{task}-{i}", task=task, annotator=who, label=what, at=later(i))
        for i, (who, what) in enumerate(pairs)
    ]


def judged(*words, least=3, accuracy=None, paused=frozenset(), tasks=OF_TASK):
    rules = settings(annotate=AnnotateSettings(overlap_min=least, overlap_max=5))
    everybody = accuracy or dict.fromkeys(("ana", "ben", "cy", "dan"), 0.9)
    found = from_peers([Heard(tasks, said(*words))], accuracy=everybody, paused=paused, sure=SURE, settings=rules)
    return {one.annotator: one.is_right for one in found}


def test_who_was_asked_in_any_case_is_judged_by_the_others_together():
    assert judged("ana:positive", "ben:positive", "cy:positive") == {"ana": True, "ben": True, "cy": True}
    assert judged("ana:positive", "ben:neutral", "cy:neutral") == {"ana": False}
    assert judged("ana:positive", "ben:neutral", "cy:negative") == {}


def test_nobody_is_judged_by_people_who_were_asked_because_of_what_they_said():
    split = ("ana:positive", "ben:neutral", "cy:neutral", "dan:neutral")
    good = dict.fromkeys(("ana", "ben", "cy", "dan"), 0.94)
    assert judged(*split, least=1, accuracy=good) == {"dan": True}
    assert judged(*split, least=2, accuracy=good) == {"dan": True}
    assert judged(*split, least=4, accuracy=good) == {"ana": False, "ben": True, "cy": True, "dan": True}


def test_nobody_is_judged_by_one_other_alone_however_sure_they_are():
    strong = {"ana": 0.99, "ben": 0.85, "cy": 0.99}
    assert judged("ana:positive", "ben:neutral", least=2, accuracy=strong) == {}
    assert judged("ana:positive", "ben:neutral", "cy:positive", least=2, accuracy=strong) == {}
    assert judged("ana:positive", "ben:neutral", "cy:positive", least=3, accuracy=strong) == {"ben": False}


def test_nobody_is_judged_by_people_who_are_paused():
    words = ("ana:positive", "ben:neutral", "cy:neutral")
    assert judged(*words, paused=frozenset({"cy"})) == {}
    assert judged(*words, "dan:positive", least=4, paused=frozenset({"ben", "cy"})) == {"ben": False, "cy": False}


def test_gold_and_the_models_word_are_no_peers():
    gold = [task("t1", stratum="gold", gold="positive")]
    assert judged("ana:positive", "ben:positive", "cy:positive", tasks=gold) == {}
    told = [task("t1", prior=(0.01, 0.01, 0.98))]
    assert judged("ana:positive", "ben:positive", least=2, tasks=told) == {}


def test_judges_are_weighed_by_gold_alone():
    gold = task("g", stratum="gold", gold="neutral")
    answers = [(gold, one) for one in said("ana:neutral", "ben:positive", "ana:neutral", task="g")]
    assert trusted(from_gold(answers)) == pytest.approx({"ana": 10.5 / 12, "ben": 8.5 / 11})


def world(seed, *, accuracy, least, tasks=300):
    """Five people of 0.9 and x; each task is asked of ``least``, then of more until two more agree than not."""
    rng = np.random.default_rng(seed)
    names = ["x", "a", "b", "c", "d"]
    asked, answers = [], []
    for i in range(tasks):
        truth = int(rng.integers(3))
        asked.append(task(f"t{i:03}", f"text {i}"))
        votes = np.zeros(3)
        for place, name in enumerate(rng.permutation(names)):
            right = rng.random() < (accuracy if name == "x" else 0.9)
            choice = truth if right else int((truth + rng.integers(1, 3)) % 3)
            votes[choice] += 1
            at = later(10 * i + place)
            answers.append(
                annotation(f"{i:03}-{name}", task=f"t{i:03}", annotator=str(name), label=LABELS[choice], at=at)
            )
            if place + 1 >= least and np.sort(votes)[-1] - np.sort(votes)[-2] >= 2:
                break
    return Heard(asked, answers)


@pytest.mark.parametrize("accuracy", [0.7, 0.9])
@pytest.mark.parametrize("least", [3, 4])
def test_peers_see_a_person_as_good_as_they_are(accuracy, least):
    rules = settings(annotate=AnnotateSettings(overlap_min=least, overlap_max=5))
    people = dict.fromkeys("abcdx", 0.9)
    found = from_peers(
        [world(seed, accuracy=accuracy, least=least) for seed in range(3)],
        accuracy=people, paused=frozenset(), sure=SURE, settings=rules,
    )  # fmt: skip
    own = [one.is_right for one in found if one.annotator == "x"]
    assert len(own) > 300
    assert np.mean(own) == pytest.approx(accuracy, abs=4 * (accuracy * (1 - accuracy) / len(own)) ** 0.5)


def test_a_careless_person_is_found_out_by_peers_without_any_gold():
    rules = settings(annotate=AnnotateSettings(overlap_min=3, overlap_max=5))
    heard = [world(1, accuracy=0.6, least=3)]
    verdicts = known_of((), heard, standings=(), sure=SURE, settings=rules)
    after = {s.annotator: s for s in weighed(verdicts, before=(), settings=rules)}
    assert {name for name, s in after.items() if s.state == "paused"} == {"x"}
    assert after["x"].peers_seen == sum(one.annotator == "x" for one in verdicts)
    assert "on which the others are sure" in after["x"].reason


def verdicts_of(*rights, who="ana"):
    gold = task("g", stratum="gold", gold="positive")
    answers = [
        (gold, annotation(f"a{i}", task="g", annotator=who, label="positive" if right else "neutral", at=later(i)))
        for i, right in enumerate(rights)
    ]
    return from_gold(answers)


def test_only_the_latest_two_hundred_count():
    found = latest(verdicts_of(*[False] * 500, *[True] * 200), window=WINDOW, standings={})
    assert [one.is_right for one in found["ana"]] == [True] * 200


def test_who_was_let_back_in_is_judged_by_what_came_after():
    bad, norm = verdicts_of(*[False] * 20), settings()
    lifted = standing("ana", state="active", gold_seen=0, gold_right=0, since=later(19))
    assert weighed(bad, before=[lifted], settings=norm) == ()
    worse = verdicts_of(*[False] * 28)
    (again,) = weighed(worse, before=[lifted], settings=norm)
    assert (again.state, again.gold_seen, again.since) == ("paused", 8, later(19))
    assert weighed(worse, before=[structs.replace(again, reason="by lea")], settings=norm) == ()
