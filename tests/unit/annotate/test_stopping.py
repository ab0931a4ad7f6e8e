import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.ballots import Ballots
from loopline.annotate.stopping import leading, reliance, wanted

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


def test_no_more_people_are_asked_while_an_asked_one_has_not_answered():
    more = wanted(now=np.array([2]), answers=np.array([1]), leading=np.array([0.5]), stop_at=0.95, most=3)
    assert more.tolist() == [2]


@checks(deadline=None)
@given(st.integers(1, 5), st.integers(0, 5), st.floats(0, 1), st.integers(0, 5))
def test_wanted_never_falls_and_grows_by_at_most_one_person_up_to_the_most(now, answers, posterior, most):
    one = {"now": np.array([now]), "answers": np.array([answers]), "leading": np.array([posterior])}
    more = int(wanted(**one, stop_at=0.95, most=most)[0])
    assert now <= more <= max(now, min(most, answers + 1))


def test_it_asks_as_often_as_the_theory_says():
    """Accuracy 0.85, three classes, at most three: two agreeing answers stop it, else a third is asked.

    P(two agree) = 0.85^2 + 0.15^2 / 2, so 3 - P = 2.27 answers a task.
    """
    rng = np.random.default_rng(7)
    n = 4_000
    truth = rng.integers(0, 3, n)
    said = np.where(rng.random((3, n)) < 0.85, truth, (truth + rng.integers(1, 3, (3, n))) % 3)
    asked = np.ones(n, dtype=np.int64)
    for _ in range(4):
        who, which = np.nonzero(np.arange(3)[:, None] < asked)
        ballots = Ballots(which, who, said[who, which], np.full(n, -1), FIVE, 3)
        doubt = leading(ballots, np.full(5, 0.85))
        asked = wanted(now=asked, answers=asked, leading=doubt, stop_at=0.95, most=3)
    expected = 3 - (0.85**2 + 0.15**2 / 2)
    assert asked.mean() == pytest.approx(expected, abs=4 * 0.45 / np.sqrt(n))
