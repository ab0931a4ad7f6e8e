import numpy as np
import pytest

from loopline.train.verify import difference


def test_equal_answers_do_not_differ():
    p = np.random.default_rng(0).dirichlet(np.ones(3), 10)
    assert difference(p, p.copy()) == (0.0, 0)
    assert difference(np.empty((0, 3)), np.empty((0, 3))) == (0.0, 0)


def test_a_flip_counts_even_when_the_difference_is_small():
    found = difference(np.array([[0.5001, 0.4999]]), np.array([[0.4999, 0.5001]]))
    assert found.largest == pytest.approx(2e-4)
    assert found.flips == 1


@pytest.mark.parametrize("found", [np.array([[np.nan, 0.5]]), np.array([[0.5, 0.25, 0.25]]), np.empty((0, 2))])
def test_what_is_no_answer_differs_infinitely(found):
    assert difference(np.array([[0.5, 0.5]]), found).largest == float("inf")
