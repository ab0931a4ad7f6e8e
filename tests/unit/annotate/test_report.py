"""One person in figures, and how far suggestions lead them."""

import math

import numpy as np
import pytest

from loopline.annotate.anchoring import Meeting, anchoring, by_person, by_suggestion, meetings, wilson
from loopline.annotate.evidence import Verdict
from loopline.annotate.report import report, share
from loopline.testing.factories import annotation, later, task


def verdict(name="t1", answer="positive", truth="positive", is_gold=True, number=0, who="ana"):
    is_right = answer == truth
    return Verdict(
        annotator=who, at=later(number), is_right=is_right, is_gold=is_gold, answer=answer, truth=truth, task=name
    )  # fmt: skip


TASKS = {
    "shown": task("shown", stratum="gold", gold="positive", suggestion="negative"),
    "blind": task("blind", "b", stratum="gold", gold="positive", withheld="negative"),
    "right": task("right", "c", suggestion="positive"),
    "drawn": task("drawn", "e", stratum="audit", withheld="negative"),
    "plain": task("plain", "d", stratum="gold", gold="positive"),
}


def test_only_wrong_suggestions_shown_or_withheld_are_meetings():
    every = [verdict(name, "negative") for name in TASKS]
    assert meetings(every, TASKS) == (
        Meeting("ana", "negative", True, True),
        Meeting("ana", "negative", False, True),
    )


def met(shown, followed, blind, led, who="ana", label="bad"):
    return [Meeting(who, label, True, i < followed) for i in range(shown)] + [
        Meeting(who, label, False, i < led) for i in range(blind)
    ]


def test_what_they_do_anyway_is_not_put_down_to_the_suggestion():
    led = anchoring(met(100, 40, 100, 10))
    assert (led.difference, led.shown, led.blind) == (pytest.approx(0.3), 100, 100)
    assert led.low > 0.15
    careless = anchoring(met(100, 30, 100, 30))
    assert careless.low < 0 < careless.high


def test_without_both_sides_nothing_is_claimed():
    assert math.isnan(anchoring(met(5, 5, 0, 0)).difference)
    assert math.isnan(anchoring([]).low)


def test_anchoring_is_told_by_person_and_by_suggestion():
    every = met(10, 9, 10, 1) + met(10, 1, 10, 1, who="ben", label="fair")
    assert {name: round(one.difference, 1) for name, one in by_person(every).items()} == {"ana": 0.8, "ben": 0.0}
    assert {name: round(one.difference, 1) for name, one in by_suggestion(every).items()} == {"bad": 0.8, "fair": 0.0}


def test_the_interval_holds_the_difference_as_often_as_it_says():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(400):
        found = anchoring(met(40, int(rng.binomial(40, 0.4)), 25, int(rng.binomial(25, 0.2))))
        held += found.low <= 0.2 <= found.high
    assert held / 400 > 0.92


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (3, 7)])
def test_a_share_lies_in_its_interval(hits, n):
    p, low, high = wilson(hits, n)
    assert 0 <= low <= p <= high <= 1
    assert low < high


def test_a_report_keeps_gold_and_peers_apart_and_time_in_order():
    gold = [verdict("plain", "positive" if i % 4 else "neutral", number=i) for i in range(60)]
    peers = [verdict("right", number=100 + i, is_gold=False) for i in range(15)]
    other = [verdict("plain", "neutral", who="ben")]
    answers = [annotation(f"a{i}", seconds=float(i), is_bulk=i > 9, is_flagged=i == 1) for i in range(20)]
    found = report("ana", annotations=answers, verdicts=[*peers, *gold, *other], tasks=TASKS)
    assert (found.gold[:2], found.peers[:2]) == ((45, 60), (15, 15))
    assert found.gold.low < 45 / 60 < found.gold.high
    assert [(one.gold.seen, one.peers.seen) for one in found.course] == [(50, 0), (10, 15)]
    assert [one.first for one in found.course] == [later(0), later(50)]
    assert found.pace is not None
    assert (found.pace.n, found.pace.median, found.answers, found.flags) == (10, 4.5, 20, 1)
    assert found.against_gold == {("positive", "neutral"): 15, ("positive", "positive"): 45}
    assert found.against_peers == {("positive", "positive"): 15}


def test_nothing_done_is_no_claim():
    found = report("ana", annotations=(), verdicts=(), tasks={})
    assert (found.pace, found.course, found.gold) == (None, (), share(0, 0))
