"""What a model said, held to what its packager saw."""

import numpy as np
import pytest

from loopline.errors import InvalidRecord
from loopline.records.model import Checks
from loopline.records.soundness import require_replay


def saying(*p):
    """A model that gives these distributions, in order."""
    return lambda rows: np.array(p, np.float32)[: len(rows)]


def checks(*p):
    return Checks(rows=tuple(f"row {i}" for i in range(len(p))), probabilities=p)


def test_equal_answers_are_repeated():
    p = np.random.default_rng(0).dirichlet(np.ones(3), 10).astype(np.float32)
    require_replay(saying(*p), checks(*(tuple(map(float, row)) for row in p)), thing="model v2")


def test_a_flip_counts_even_when_the_difference_is_small():
    expected = r"^model v2: check 1 differs by 0.0002 from what the packager saw, 1 of 2 labels different, expected at"
    with pytest.raises(InvalidRecord, match=expected):
        require_replay(saying((0.9, 0.1), (0.4999, 0.5001)), checks((0.9, 0.1), (0.5001, 0.4999)), thing="model v2")


@pytest.mark.parametrize("alone", [(np.nan, 0.5), (0.5, 0.25, 0.25), (1.4, -0.4)])
def test_what_is_no_answer_to_a_single_row_is_refused_whatever_is_said_of_all(alone):
    def predict(rows):
        return np.array([alone] if len(rows) == 1 else [(0.9, 0.1)] * len(rows), np.float32)

    with pytest.raises(InvalidRecord, match=r"^model v2: (values from|shape)"):
        require_replay(predict, checks((0.9, 0.1), (0.9, 0.1)), thing="model v2")
