"""What an adjudicator is shown: what the answers leave in doubt, in an order that tells nothing."""

from loopline.annotate.doubt import doubtful, shuffled
from loopline.records.settings import AnnotateSettings
from loopline.testing.factories import annotation, later, skip, task


def doubts(tasks, *said, sure=0.7, skips=(), settled=frozenset(), **rules):
    answers = [annotation(f"{t}-{who}", task=t, annotator=who, label=what) for t, who, what in said]
    return doubtful(
        tasks, answers, skips=skips, sure=[sure] * len(tasks), settled=settled, rules=AnnotateSettings(**rules)
    )


THREE = [("t1", "ana", "positive"), ("t1", "ben", "negative"), ("t1", "cy", "neutral")]


def test_a_task_with_all_the_answers_it_may_have_and_no_certainty_is_in_doubt():
    (found,) = doubts([task("t1")], *THREE)
    assert found.reason == "3 people answered, and together they are 0.70 sure, less than 0.95"
    assert (found.sure, {one.annotator for one in found.annotations}) == (0.7, {"ana", "ben", "cy"})
    assert doubts([task("t1")], *THREE, sure=0.95) == ()
    assert doubts([task("t1")], *THREE[:2]) == ()
    assert doubts([task("t1", stratum="reserve")], *THREE, reserve_max=5) == ()


def test_where_one_answer_is_all_that_is_asked_for_it_is_taken():
    assert doubts([task("t1")], THREE[0], overlap_max=1) == ()


def test_a_flag_is_looked_at_however_sure_the_answers_are():
    one = [annotation("a1", is_flagged=True)]
    (found,) = doubtful([task("t1")], one, skips=(), sure=[1.0], settled=frozenset(), rules=AnnotateSettings())
    assert found.reason == "who answered flagged it"


def test_what_everybody_passed_on_is_in_doubt_with_their_reasons():
    passed = [skip(annotator="ana", reason="unclear"), skip(annotator="ben", reason="two languages")]
    (found,) = doubts([task("t1", wanted=0)], skips=passed)
    assert found.reason == "nobody answered, 2 passed on it: two languages, unclear"
    assert doubts([task("t1", wanted=1)], skips=passed) == ()


def test_gold_and_what_is_settled_are_not_in_doubt():
    assert doubts([task("t1", stratum="gold", gold="neutral")], *THREE) == ()
    assert doubts([task("t1")], *THREE, settled=frozenset({"t1"})) == ()


def test_the_least_sure_come_first_and_answers_in_an_order_that_neither_time_nor_name_gives():
    tasks = [task(f"t{i}", f"text {i}") for i in range(40)]
    people = ("ana", "ben", "cy")
    said = [
        annotation(f"{i}-{who}", task=f"t{i}", annotator=who, label=what, at=later(place))
        for i in range(40)
        for place, (who, what) in enumerate(zip(people, ("positive", "negative", "neutral"), strict=True))
    ]
    sure = [0.9 - i / 100 for i in range(40)]
    found = doubtful(tasks, said, skips=(), sure=sure, settled=frozenset(), rules=AnnotateSettings())
    assert [one.task.id for one in found] == [f"t{i}" for i in range(39, -1, -1)]
    firsts = [one.annotations[0].annotator for one in found]
    assert min(firsts.count(who) for who in people) > 5
    assert shuffled(reversed(found[0].annotations)) == found[0].annotations
