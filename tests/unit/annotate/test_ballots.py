import numpy as np
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.ballots import Ballots
from loopline.annotate.majority import majority

rows = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 2)), max_size=30)


@checks(deadline=None)
@given(rows)
def test_both_forms_hold_every_answer_in_its_place(answers):
    task, person, choice = np.array(answers, dtype=np.int64).reshape(-1, 3).T
    ballots = Ballots(task, person, choice, np.full(6, -1), 4, 3)
    full = np.zeros((6, 4, 3))
    np.add.at(full, (task, person, choice), 1)
    assert np.array_equal(ballots.said.toarray(), full.reshape(6, 12))
    assert np.array_equal(ballots.votes, full.sum(axis=1))


def test_a_task_that_nobody_answered_has_no_majority():
    ballots = Ballots(np.array([0, 0, 0]), np.array([0, 1, 2]), np.array([1, 1, 0]), np.full(2, -1), 3, 2)
    assert majority(ballots.votes).round(3).tolist() == [[0.333, 0.667], [0.5, 0.5]]
