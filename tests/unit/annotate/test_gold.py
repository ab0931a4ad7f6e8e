import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.gold import mixed, rotation, slots, standing, weigh
from loopline.testing.factories import LOOP, labelled_row, task


def slots_of(annotator="ana", first=0, count=100, settled=0.05, secret=b"s"):
    return slots(annotator, first=first, count=count, settled=settled, secret=secret)


def test_the_share_is_a_fifth_at_first_and_the_settled_one_after():
    everyone = np.stack([slots_of(f"person {i}", count=1_100) for i in range(200)])
    assert everyone[:, :100].mean() == pytest.approx(0.20, abs=0.01)
    assert everyone[:, 100:].mean() == pytest.approx(0.05, abs=0.003)


def test_at_least_two_percent_are_gold_whatever_is_configured():
    assert slots_of(first=100, count=50_000, settled=0.0).mean() == pytest.approx(0.02, abs=0.003)


@checks(deadline=None)
@given(st.integers(0, 300), st.integers(0, 30), st.integers(0, 30))
def test_a_slot_is_the_same_however_it_is_asked_for(first, count, shift):
    both = slots_of(first=first, count=count + shift)
    assert both[shift:].tolist() == slots_of(first=first + shift, count=count).tolist()


def test_slots_have_no_period_and_differ_by_person_and_secret():
    ana = slots_of(first=100, count=4_000, settled=0.2).astype(float)
    centred = ana - ana.mean()
    for lag in range(1, 60):
        assert abs((centred[lag:] * centred[:-lag]).mean() / centred.var()) < 5 / np.sqrt(len(ana))
    for other in (slots_of("ben", 100, 4_000, 0.2), slots_of("ana", 100, 4_000, 0.2, b"t")):
        assert abs(np.corrcoef(ana, other)[0, 1]) < 5 / np.sqrt(len(ana))


def test_gold_sits_at_its_slots_and_ends_with_the_work():
    work, gold = [task("w1"), task("w2")], [task("g1"), task("g2")]
    assert [t.id for t in mixed(work, gold, [False, True, False, True])] == ["w1", "g1", "w2", "g2"]
    assert [t.id for t in mixed(work[:1], gold, [False, False, True, True])] == ["w1"]
    assert [t.id for t in mixed(work, (), [True, False])] == ["w1", "w2"]
    assert mixed((), gold, [False, True]) == ()


def test_one_person_answering_everything_meets_each_published_gold_row_about_once():
    rows = [labelled_row(f"g{i}", f"text {i}") for i in range(200)]
    assert len(rotation(rows, cycle=1, tasks=550, settled=0.05)) == 43  # 100 * 0.2 + 450 * 0.05 = 42.5


def test_cycles_go_round_all_gold_rows_before_one_returns():
    rows = [labelled_row(f"g{i}", f"text {i}") for i in range(80)]
    turns = [{row.id for row in rotation(rows, cycle=c, tasks=10, settled=0.05)} for c in range(1, 5)]
    assert [len(turn) for turn in turns] == [20] * 4
    assert len(set.union(*turns)) == 80


def test_a_small_gold_file_is_published_whole_each_time_and_equal_inputs_once():
    rows = [labelled_row("g1", "same"), labelled_row("g2", "same"), labelled_row("g3", "other")]
    assert sorted(row.id for row in rotation(rows, cycle=3, tasks=500, settled=0.05)) == ["g1", "g3"]
    assert rotation((), cycle=3, tasks=500, settled=0.05) == ()


def test_the_choice_does_not_depend_on_the_order_of_the_file():
    rows = [labelled_row(f"g{i}", f"text {i}") for i in range(60)]
    assert rotation(rows, cycle=2, tasks=9, settled=0.05) == rotation(rows[::-1], cycle=2, tasks=9, settled=0.05)


def test_a_standing_says_what_it_rests_on():
    ana = standing("ana", [True] * 14 + [False] * 10, loop=LOOP, norm=0.8)
    assert (ana.state, ana.gold_right, ana.gold_seen) == ("paused", 14, 24)
    assert ana.reason == "paused: 14 of 24 gold answers right, accuracy 0.58; 0.99 sure it is below 0.80"
    ben = standing("ben", [True] * 22 + [False] * 2, loop=LOOP, norm=0.8)
    assert ben.state == "active"
    assert ben.reason == "22 of 24 gold answers right, accuracy 0.88; 0.09 sure it is below 0.80"


def test_seven_answers_pause_nobody_and_eight_may():
    assert standing("ana", [False] * 7, loop=LOOP, norm=0.8).state == "active"
    assert standing("ana", [False] * 8, loop=LOOP, norm=0.8).state == "paused"


def test_nobody_is_ever_said_to_be_surely_below():
    assert "0.99 sure" in standing("ana", [False] * 200, loop=LOOP, norm=0.8).reason


@checks(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_one_more_right_answer_never_makes_a_person_look_worse(right, wrong):
    before, after = (weigh(r, right + wrong + 1, norm=0.8) for r in (right, right + 1))
    assert after.accuracy > before.accuracy
    assert after.below_norm <= before.below_norm


def test_the_posterior_is_the_share_of_draws_below_the_norm():
    draws = np.random.default_rng(3).beta(15, 11, 200_000)
    assert weigh(14, 24, norm=0.8).below_norm == pytest.approx((draws < 0.8).mean(), abs=0.002)


def paused_within_sixty(accuracy, seeds=100):
    """Share of seeds in which the rule, looked at after each gold answer, pauses this person."""
    caught = 0
    for seed in range(seeds):
        right = np.random.default_rng(seed).random(60) < accuracy
        answers = right.tolist()
        caught += any(standing("x", answers[:n], loop=LOOP, norm=0.8).state == "paused" for n in range(1, 61))
    return caught / seeds


def test_a_careless_person_is_found_out_and_a_careful_one_left_alone():
    careless = 0.6 * 0.85 + 0.4 / 3  # answers at random 40 % of the time
    assert paused_within_sixty(careless) >= 0.90
    assert paused_within_sixty(0.95) <= 0.05


def test_nobody_is_paused_before_the_evidence_reaches_095():
    for right, below, state in ((12, 0.932, "active"), (11, 0.977, "paused")):
        ana = standing("ana", [True] * right + [False] * (18 - right), loop=LOOP, norm=0.8)
        assert (round(ana.below_norm, 3), ana.state) == (below, state)
