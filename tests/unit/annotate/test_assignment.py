from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.assignment import (
    Ground,
    PoolRow,
    again_of,
    bounds,
    is_blind,
    of_candidates,
    of_gold,
    of_reserve,
    once_each,
    spelling,
    task_id,
)
from loopline.annotate.questions import BUILT_IN
from loopline.errors import InvalidRecord, NotFound
from loopline.records.ids import PredictionId, TaskId
from loopline.records.settings import AnnotateSettings
from loopline.records.task import STEP
from loopline.testing.factories import (
    LABELS,
    SIGNATURE,
    candidate,
    cycle,
    digest,
    labelled_row,
    prediction,
    selection,
    settings,
    task,
)


def tasks_for(n, **changes):
    chosen = [candidate(f"p{i}", f"text {i}", draw="chosen" if i % 10 else "audit") for i in range(n)]
    rows = {PredictionId(f"p{i}"): PoolRow(SIGNATURE.encode(f"text {i}"), (0.1, 0.2, 0.7)) for i in range(n)}
    return of_candidates(selection(*chosen), rows, ground=ground(3, **changes))


def ground(number=1, **changes):
    rules = settings(annotate=AnnotateSettings(**changes))
    return Ground(cycle(number), rules, "v1", lambda label: label if label in LABELS else "")


def gold_of(*rows, number=1, is_any_shown=False, **changes):
    return of_gold(rows, ground=ground(number, **changes), is_any_shown=is_any_shown)


def test_chosen_tasks_show_the_models_label_and_audit_tasks_nothing():
    tasks = tasks_for(1_000)
    shown = [t for t in tasks if t.suggestion]
    assert {(t.stratum, t.suggestion, t.suggested_by) for t in shown} == {("chosen", "positive", "v1")}
    assert not any(t.suggested_by for t in tasks if not t.suggestion)


def test_a_tenth_of_the_chosen_tasks_is_blind():
    chosen = [t for t in tasks_for(5_000) if t.stratum == "chosen"]
    blind = sum(not t.suggestion for t in chosen) / len(chosen)
    assert blind == pytest.approx(0.10, abs=4 * 0.3 / len(chosen) ** 0.5)


def test_a_larger_blind_share_keeps_who_was_blind():
    ids = [TaskId(str(i)) for i in range(500)]
    few, many = ({t for t in ids if is_blind(t, sample=PredictionId("p"), share=share)} for share in (0.1, 0.3))
    assert few < many


def test_an_id_depends_on_cycle_and_content_alone_so_it_tells_no_stratum():
    content = digest(b"x")
    assert task_id(cycle(1), content) == task_id(cycle(1, seed=9), content)
    assert task_id(cycle(1), content) != task_id(cycle(2), content)
    gold = gold_of(labelled_row("g1", "text 1"), number=3)[0]
    assert gold.id == tasks_for(2)[1].id


@checks(deadline=None)
@given(st.text(min_size=1))
def test_an_id_is_twenty_hex_digits(text):
    assert set(task_id(cycle(), digest(text.encode()))) <= set("0123456789abcdef")
    assert len(task_id(cycle(), digest(text.encode()))) == 20


def test_gold_looks_like_a_task_without_a_suggestion():
    gold = gold_of(labelled_row("g1", "hm"))[0]
    assert (gold.stratum, gold.gold, gold.suggestion, gold.wanted) == ("gold", "positive", "", 1)
    assert gold.content == prediction(text="hm").content


def test_where_groups_share_a_content_the_earlier_one_keeps_it():
    first, second, third = task("b", stratum="reserve"), task("b"), task("a", "other")
    assert [(t.id, t.stratum) for t in once_each([first], [second, third])] == [("a", "chosen"), ("b", "reserve")]


def test_a_candidate_that_the_pool_does_not_hold_is_named():
    with pytest.raises(NotFound) as error:
        of_candidates(selection(candidate("p7")), {}, ground=ground())
    assert str(error.value) == "no pool row of candidate 'p7'"


def test_a_gold_row_with_a_strange_label_is_named():
    with pytest.raises(InvalidRecord) as error:
        gold_of(labelled_row("g1", label="meh"))
    assert str(error.value) == "gold row g1: label 'meh', expected one of negative, neutral, positive"


def test_only_chosen_tasks_carry_the_models_word_and_only_where_it_counts():
    counted = {t.stratum: t.prior for t in tasks_for(20, prior="model")}
    assert counted == {"chosen": pytest.approx((0.1, 0.2, 0.7)), "audit": ()}
    assert {t.prior for t in tasks_for(20)} == {()}


def test_blind_and_audit_tasks_say_what_would_have_been_shown():
    tasks = tasks_for(200, blind=0.3)
    assert {(bool(t.suggestion), t.withheld) for t in tasks} == {(True, ""), (False, "positive")}
    assert {t.withheld for t in tasks if t.stratum == "audit"} == {"positive"}


def test_a_suggestion_is_spelled_as_the_question_spells_answers():
    spell = spelling(partial(BUILT_IN["multiple"].canonical, labels=LABELS))
    assert (spell("positive"), spell("meh"), spell('["neutral"]')) == ('["positive"]', "", '["neutral"]')
    assert spelling(partial(BUILT_IN["single"].canonical, labels=LABELS))("positive") == "positive"
    listed = ground()._replace(spell=spell)
    (gold,) = of_gold([labelled_row("g1", label='["neutral", "positive"]')], ground=listed, is_any_shown=True)
    assert gold.gold == '["neutral", "positive"]'
    assert gold.suggestion + gold.withheld in {'["negative"]', '["neutral"]', '["positive"]'}


def golds(n=2_000, **changes):
    rows = [labelled_row(f"g{i}", f"gold {i}", label=LABELS[i % 3]) for i in range(n)]
    return gold_of(*rows, is_any_shown=True, **changes)


def test_a_share_of_gold_carries_a_wrong_suggestion_and_the_rest_says_which_it_would_be():
    tasks = golds(wrong=0.3)
    shown = [t for t in tasks if t.suggestion]
    assert len(shown) / len(tasks) == pytest.approx(0.3, abs=0.05)
    assert all((t.suggestion or t.withheld) not in ("", t.gold) for t in tasks)
    assert {t.suggested_by for t in shown} == {"v1"}
    assert {(t.gold, t.suggestion) for t in shown} == {(a, b) for a in LABELS for b in LABELS if a != b}
    assert not any(t.prior for t in tasks)


def test_gold_shows_a_suggestion_only_where_other_tasks_do():
    rows = [labelled_row(f"g{i}", f"gold {i}") for i in range(50)]
    assert not any(t.suggestion or t.suggested_by for t in gold_of(*rows, wrong=1.0))


def test_neither_a_suggestion_nor_its_lack_tells_gold():
    work, known = tasks_for(1_000), golds(300)
    seen = [(bool(t.suggestion), t.suggested_by, t.skill, t.language, t.guideline, len(t.id)) for t in known]
    assert set(seen) <= {
        (bool(t.suggestion), t.suggested_by, t.skill, t.language, t.guideline, len(t.id)) for t in work
    }
    assert {bool(t.suggestion) for t in known} == {True, False}


def test_what_is_most_worth_is_served_first_with_a_quarter_of_what_chance_drew():
    drawn = [candidate(f"p{i}", f"text {i}", order=i) for i in range(100)]
    chance = [candidate(f"q{i}", f"other {i}", order=100 + i, draw="audit") for i in range(400)]
    rows = {c.prediction: PoolRow(c.prediction.encode()) for c in (*drawn, *chance)}
    tasks = of_candidates(selection(*drawn, *chance), rows, ground=ground())
    rank = {t.sample: t.priority // STEP for t in tasks}
    assert [rank[f"p{i}"] for i in (0, 24, 25, 99)] == [3, 3, 2, 0]
    shares = [sum(rank[f"q{i}"] == step for i in range(400)) for step in range(4)]
    assert min(shares) > 70


def test_within_a_step_nothing_that_is_shown_tells_who_is_served_next():
    tasks = [*golds(wrong=0.3), *tasks_for(600)]
    for step in range(4):
        served = [t.id for t in sorted(tasks, key=lambda t: (-t.priority, t.id)) if t.priority // STEP == step]
        rising = sum(one < next_one for one, next_one in pairwise(served)) / (len(served) - 1)
        assert rising == pytest.approx(0.5, abs=4 * 0.5 / len(served) ** 0.5), "ids that rise betray the gold between"


def test_each_stratum_has_bounds_of_its_own():
    rules = AnnotateSettings(overlap_min=1, overlap_max=3, reserve_min=3, reserve_max=5, audit_min=2)
    assert [bounds(one, rules=rules) for one in ("chosen", "reserve", "audit", "relabel")] == [
        (1, 3), (3, 5), (2, 3), (1, 3)
    ]  # fmt: skip
    assert bounds("audit", rules=AnnotateSettings(audit_min=4)) == (4, 4)


def test_skill_language_cluster_and_guideline_go_with_the_task():
    rules = {"skills": (("medical", "nurse"),), "languages": (("medical", "de"), ("web", "en"))}
    one = candidate("p1", "a", segment="medical", cluster=17)
    rows = {"p1": PoolRow(b"1")}
    base = ground(3, **rules)._replace(guideline=4, segment_of=lambda name: "web" if name == "r1" else "")
    (task_of,) = of_candidates(selection(one), rows, ground=base)
    assert (task_of.skill, task_of.language, task_of.cluster, task_of.guideline) == ("nurse", "de", "cycle-3/17", 4)
    first, second = of_reserve({PredictionId("r1"): b"r", PredictionId("r2"): b"s"}, ground=base)
    assert (first.language, second.language, first.skill) == ("en", "", "")


def test_what_is_asked_again_shows_nothing_and_waits_for_the_fewest():
    before = task("t9", "old", cycle=2, suggestion="positive", prior=(0.1, 0.2, 0.7), wanted=3, language="de")
    (again,) = again_of([before], ground=ground(5, prior="model"))
    assert (again.stratum, again.cycle, again.suggestion, again.withheld, again.prior) == ("relabel", 5, "", "", ())
    assert (again.wanted, again.language, again.content, again.sample) == (1, "de", before.content, before.sample)
    assert again.id == task_id(cycle(5), before.content)
