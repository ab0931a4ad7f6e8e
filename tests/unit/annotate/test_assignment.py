import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.assignment import is_blind, of_candidates, of_gold, once_each, task_id
from loopline.errors import InvalidRecord, NotFound
from loopline.records.ids import PredictionId, TaskId
from loopline.testing.factories import (
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
    inputs = {PredictionId(f"p{i}"): SIGNATURE.encode(f"text {i}") for i in range(n)}
    return of_candidates(selection(*chosen), inputs, cycle=cycle(3), settings=settings(**changes))


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
    few, many = ({t for t in ids if is_blind(t, share=share)} for share in (0.1, 0.3))
    assert few < many


def test_an_id_depends_on_cycle_and_content_alone_so_it_tells_no_stratum():
    content = digest(b"x")
    assert task_id(cycle(1), content) == task_id(cycle(1, seed=9), content)
    assert task_id(cycle(1), content) != task_id(cycle(2), content)
    gold = of_gold([labelled_row("g1", "text 1")], cycle=cycle(3), signature=SIGNATURE)[0]
    assert gold.id == tasks_for(2)[1].id


@checks(deadline=None)
@given(st.text(min_size=1))
def test_an_id_is_twenty_hex_digits(text):
    assert set(task_id(cycle(), digest(text.encode()))) <= set("0123456789abcdef")
    assert len(task_id(cycle(), digest(text.encode()))) == 20


def test_gold_looks_like_a_task_without_a_suggestion():
    gold = of_gold([labelled_row("g1", "hm")], cycle=cycle(), signature=SIGNATURE)[0]
    assert (gold.stratum, gold.gold, gold.suggestion, gold.wanted) == ("gold", "positive", "", 1)
    assert gold.content == prediction(text="hm").content


def test_where_groups_share_a_content_the_earlier_one_keeps_it():
    first, second, third = task("b", stratum="reserve"), task("b"), task("a", "other")
    assert [(t.id, t.stratum) for t in once_each([first], [second, third])] == [("a", "chosen"), ("b", "reserve")]


def test_a_candidate_that_the_pool_does_not_hold_is_named():
    with pytest.raises(NotFound) as error:
        of_candidates(selection(candidate("p7")), {}, cycle=cycle(), settings=settings())
    assert str(error.value) == "no pool row of candidate 'p7'"


def test_a_gold_row_with_a_strange_label_is_named():
    with pytest.raises(InvalidRecord) as error:
        of_gold([labelled_row("g1", label="meh")], cycle=cycle(), signature=SIGNATURE)
    assert str(error.value) == "gold row g1: label 'meh', expected one of negative, neutral, positive"
