import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.dataset.similar import twins
from loopline.dataset.similar_tables import TOLERANCE, alike, spread, tolerance
from loopline.records.signature import Signature

WIDE = Signature(input="tabular", width=8, labels=("a", "b"))


def rows(n: int, width: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width))


def noisy(table: np.ndarray) -> np.ndarray:
    return table * (1.0 + 1e-3 * np.random.default_rng(9).normal(size=table.shape))


def test_rows_that_differ_by_a_thousandth_are_found_and_no_others():
    training, reserve = rows(4_000, 8), rows(600, 8, seed=1)
    training[100:400] = noisy(reserve[:300])
    found = alike(training, reserve)
    assert found.sealed[np.argsort(found.row)].tolist() == list(range(300))
    assert sorted(found.row.tolist()) == list(range(100, 400))
    assert found.similarity.min() > 1.0 - TOLERANCE


def test_rows_travel_as_their_canonical_bytes():
    table = rows(50, 8)
    encoded = [msgspec.json.encode(row) for row in [*table.tolist(), *noisy(table[:1]).tolist()]]
    found = twins(encoded[:50], encoded[49:], signature=WIDE)
    assert list(zip(found.row.tolist(), found.sealed.tolist(), found.likeness.tolist(), strict=True)) == [
        (0, 1, "features"),
        (49, 0, "inputs"),
    ]


def test_a_column_far_from_zero_is_measured_by_its_own_spread():
    training, reserve = rows(3_000, 8), rows(300, 8, seed=1)
    training[:, 3], reserve[:, 3] = training[:, 3] + 1e6, reserve[:, 3] + 1e6
    assert not len(alike(training, reserve).row)
    training[7] = reserve[5] + 0.01
    found = alike(training, reserve)
    assert (found.row.tolist(), found.sealed.tolist()) == ([7], [5])


def test_a_column_of_tiny_numbers_counts_as_much_as_the_others():
    training, reserve = rows(3_000, 8), rows(300, 8, seed=1)
    training[:, 2], reserve[:, 2] = 1e-6 * training[:, 2], 1e-6 * reserve[:, 2]
    training[7], training[8] = reserve[5], reserve[6]
    training[8, 2] += 1e-6
    found = alike(training, reserve)
    assert (found.row.tolist(), found.sealed.tolist()) == ([7], [5])


@pytest.mark.parametrize(("width", "least", "most"), [(1, 0.0, 1e-5), (3, 1e-4, 0.02), (8, TOLERANCE, TOLERANCE)])
def test_the_fewer_the_columns_the_closer_a_twin_must_be(width, least, most):
    training, reserve = rows(20_000, width), rows(2_000, width, seed=1)
    scale = spread(np.concatenate([training, reserve]))
    assert least <= tolerance(training / scale, reserve / scale) <= most
    flagged = len(set(alike(training, reserve).sealed.tolist()))
    assert flagged <= 0.003 * len(reserve)


def test_a_table_of_whole_numbers_has_equal_rows_but_no_near_ones():
    chance = np.random.default_rng(3)
    training, reserve = (chance.integers(0, 3, (n, 2)).astype(float) for n in (500, 100))
    assert not len(alike(training, reserve).row)


@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(0, 40))
@checks(max_examples=30, deadline=None)
def test_neither_order_nor_side_matters(seed, n, m):
    chance = np.random.default_rng(seed)
    training, reserve = chance.normal(size=(n, 3)), chance.normal(size=(m, 3))
    shared = min(n, m) // 2
    training[:shared] = reserve[:shared] * 1.00001
    here, there = alike(training, reserve), alike(reserve, training)
    assert set(here.row.tolist()) == set(there.sealed.tolist())
    assert set(here.sealed.tolist()) == set(there.row.tolist())
    order = chance.permutation(n)
    assert set(order[alike(training[order], reserve[::-1]).row].tolist()) == set(here.row.tolist())


def test_a_row_is_its_own_twin():
    table = rows(30, 4)
    found = alike(table, table)
    assert found.row.tolist() == found.sealed.tolist() == list(range(30))
    assert (found.similarity == 1.0).all()
