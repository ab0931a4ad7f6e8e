import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.ballots import Ballots
from loopline.annotate.stopping import asked, leading, reliance, wanted

FIVE = tuple("abcde")


def one_task(choices, classes=3):
    n = len(choices)
    return Ballots(np.zeros(n, dtype=np.int64), np.arange(n), np.array(choices), np.array([-1]), FIVE, classes)


def test_the_posterior_is_bayes_rule_written_out():
    accuracy = np.array([0.9, 0.8, 0.7, 0.5, 0.5])
    likelihood = [0.9 * 0.1 * 0.15, 0.05 * 0.8 * 0.15, 0.05 * 0.1 * 0.7]
    assert leading(one_task([0, 1, 2]), accuracy) == pytest.approx([max(likelihood) / sum(likelihood)])


def test_nobody_has_answered_so_every_label_leads():
    nobody = Ballots(*(np.array([], dtype=np.int64),) * 3, np.array([-1]), (), 3)
    assert leading(nobody, np.array([])) == pytest.approx([1 / 3])


def test_one_answer_leads_with_the_accuracy_of_who_gave_it():
    assert leading(one_task([2]), np.array([0.85])) == pytest.approx([0.85])


def test_someone_worse_than_chance_counts_as_chance():
    assert leading(one_task([2]), np.array([0.1])) == pytest.approx([1 / 3])


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
        ballots = Ballots(which, who, said[who, which], np.full(n, -1), FIVE, 3)
        doubt = leading(ballots, np.full(5, 0.85))
        people = asked(answers=people, leading=doubt, stop_at=0.95, least=1, most=3)
    expected = 3 - (0.85**2 + 0.15**2 / 2)
    assert people.mean() == pytest.approx(expected, abs=4 * 0.45 / np.sqrt(n))
