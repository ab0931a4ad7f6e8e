import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.ballots import Ballots
from loopline.annotate.mistakes import nearby
from loopline.annotate.stopping import asked, believed, reliance, wanted


def one_task(choices, classes=3):
    n = len(choices)
    return Ballots(
        np.zeros(n, dtype=np.int64), np.arange(n), np.array(choices, dtype=np.int64), np.array([-1]), 5, classes
    )


def leading(ballots, accuracy, **more):
    return believed(ballots, accuracy, **more).max(axis=1)


def test_the_posterior_is_bayes_rule_written_out():
    accuracy = np.array([0.9, 0.8, 0.7, 0.5, 0.5])
    likelihood = np.array([0.9 * 0.1 * 0.15, 0.05 * 0.8 * 0.15, 0.05 * 0.1 * 0.7])
    assert believed(one_task([0, 1, 2]), accuracy)[0] == pytest.approx(likelihood / likelihood.sum())
    model = np.array([0.1, 0.7, 0.2])
    both = likelihood * model
    told = believed(one_task([0, 1, 2]), accuracy, beforehand=model[None, :])[0]
    assert told == pytest.approx(both / both.sum())


def test_nobody_has_answered_so_every_label_leads():
    assert leading(one_task([]), np.full(5, 0.9)) == pytest.approx([1 / 3])


def test_one_answer_leads_with_the_accuracy_of_who_gave_it():
    assert leading(one_task([2]), np.full(5, 0.85)) == pytest.approx([0.85])


def test_someone_worse_than_chance_counts_as_chance():
    assert leading(one_task([2]), np.full(5, 0.1)) == pytest.approx([1 / 3])


def test_a_known_task_is_certain_whatever_was_said():
    ballots = one_task([2, 2, 2])._replace(known=np.array([0]))
    assert believed(ballots, np.full(5, 0.99)).tolist() == [[1.0, 0.0, 0.0]]


def test_on_a_scale_two_neighbours_are_told_apart_less_well_than_the_two_ends():
    accuracy = np.full(5, 0.8)
    next_door, far = (believed(one_task(said, 5), accuracy, mistakes=nearby(5))[0] for said in ([1, 1, 2], [1, 1, 4]))
    assert next_door[1] < far[1]
    assert leading(one_task([1], 5), accuracy, mistakes=nearby(5)) < leading(one_task([1], 5), accuracy)


@checks(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_reliance_lies_between_belief_and_evidence(right, wrong):
    seen = right + wrong
    value = float(reliance(np.array([float(right)]), np.array([float(seen)]))[0])
    assert 0 < value < 1
    if seen:
        low, high = sorted((0.85, right / seen))
        assert low - 1e-12 <= value <= high + 1e-12


@checks(deadline=None)
@given(st.integers(0, 5), st.floats(0, 1), st.integers(1, 3), st.integers(0, 3))
def test_a_task_calls_for_one_more_person_while_in_doubt_within_its_bounds(answers, posterior, least, more):
    called = int(
        asked(answers=np.array([answers]), leading=np.array([posterior]), stop_at=0.95, least=least, most=least + more)[
            0
        ]
    )
    assert least <= called <= least + more
    assert (called > answers) == (answers < least or (posterior < 0.95 and answers < least + more))


def test_bounds_may_differ_from_task_to_task():
    answers, least, most = np.array([0, 1, 1]), np.array([2, 1, 1]), np.array([3, 3, 1])
    called = asked(answers=answers, leading=np.full(3, 0.5), stop_at=0.95, least=least, most=most)
    assert called.tolist() == [2, 2, 1]


counts = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=6)


@checks(deadline=None)
@given(counts, st.integers(0, 3))
def test_a_batch_waits_only_for_people_who_can_come_and_ends_when_none_can(rows, present):
    called, answers, free = np.array(rows).T
    free = np.minimum(free, present)
    target = wanted(called, answers=answers, free=free, present=present)
    assert (target <= called).all()
    assert (target[answers > 0] >= 1).all()
    can_come = (answers < called) & (free > 0)
    if present:
        assert (target > answers).any() == can_come.any()
    else:
        assert (target[answers == 0] == called[answers == 0]).all()


def test_it_asks_as_often_as_the_theory_says():
    """Accuracy 0.85, three classes, at most three: two agreeing answers stop it, else a third is asked.

    P(two agree) = 0.85^2 + 0.15^2 / 2, so 3 - P = 2.27 answers a task.
    """
    rng = np.random.default_rng(7)
    n = 4_000
    truth = rng.integers(0, 3, n)
    said = np.where(rng.random((3, n)) < 0.85, truth, (truth + rng.integers(1, 3, (3, n))) % 3)
    people = np.ones(n, dtype=np.int64)
    for _ in range(4):
        who, which = np.nonzero(np.arange(3)[:, None] < people)
        ballots = Ballots(which, who, said[who, which], np.full(n, -1), 5, 3)
        doubt = leading(ballots, np.full(5, 0.85))
        people = asked(answers=people, leading=doubt, stop_at=0.95, least=1, most=3)
    expected = 3 - (0.85**2 + 0.15**2 / 2)
    assert people.mean() == pytest.approx(expected, abs=4 * 0.45 / np.sqrt(n))
