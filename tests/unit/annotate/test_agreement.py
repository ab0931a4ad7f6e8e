import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.agreement import krippendorff_alpha

MISSING = np.nan
TEXTBOOK = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, MISSING, MISSING, MISSING],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, MISSING, 3],
        [MISSING, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, MISSING],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, MISSING],
    ]
)
"""Four observers, twelve units: Krippendorff 2011, section C."""


def votes_of(observers):
    return np.stack([(observers == value).sum(axis=0) for value in range(1, 6)], axis=1).astype(float)


def test_the_textbook_example():
    alpha, samples = krippendorff_alpha(votes_of(TEXTBOOK))
    assert round(alpha, 3) == 0.743
    assert samples == 11


@checks(deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=2, max_size=15))
def test_it_agrees_with_the_reference_implementation(units):
    votes = np.array(units, dtype=float)
    ours = krippendorff_alpha(votes)
    paired = votes[votes.sum(axis=1) >= 2]
    if np.count_nonzero(paired.sum(axis=0)) < 2:
        assert math.isnan(ours.alpha)
        return
    theirs = krippendorff.alpha(value_counts=votes.astype(int), level_of_measurement="nominal")
    assert ours.alpha == pytest.approx(theirs, abs=1e-9)
    assert ours.samples == len(paired)


def test_guessing_has_alpha_near_zero():
    rng = np.random.default_rng(1)
    votes = np.eye(3)[rng.integers(0, 3, (4_000, 2))].sum(axis=1)
    assert abs(krippendorff_alpha(votes).alpha) < 0.05


def test_single_answers_say_nothing():
    alpha, samples = krippendorff_alpha(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert math.isnan(alpha)
    assert samples == 0
