from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.ports.columns import PoolColumns
from loopline.select import sifting
from loopline.select.sifting import ascending, keyed, least, packed, sift, urgency_of
from loopline.select.strategies.entropy import entropy
from loopline.select.strategies.margin import BLOCK, logged, margin

KEYS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, (1 << 64) - 1)), max_size=60)


@given(KEYS, st.integers(0, 70), st.lists(st.integers(0, 60), max_size=8))
def test_one_pass_in_any_parts_finds_what_a_sort_finds(
    drawn: list[tuple[int, int]], most: int, cuts: list[int]
) -> None:
    keys = np.array([key for key, _ in drawn], np.uint64)
    content = np.array([content for _, content in drawn], np.uint64)
    edges = [0, *sorted(min(cut, len(keys)) for cut in cuts), len(keys)]
    parts = [keys[start:stop] for start, stop in pairwise(edges)]
    expected = sorted(range(len(keys)), key=lambda at: (keys[at], content[at]))[:most]
    assert least(parts, content, most).tolist() == expected


@pytest.mark.parametrize("key", [0, 7, (1 << 64) - 1])
def test_where_all_tie_the_content_decides(key: int) -> None:
    content = np.random.default_rng(0).permutation(5_000).astype(np.uint64)
    found = least((np.full(100, key, np.uint64) for _ in range(50)), content, 10)
    assert content[found].tolist() == list(range(10))


@given(st.lists(st.integers(0, (1 << 64) - 1) | st.integers(0, 3), max_size=60))
def test_keys_come_in_order_and_equal_ones_by_place(drawn: list[int]) -> None:
    keys = np.array(drawn, np.uint64)
    assert ascending(keys).tolist() == np.argsort(keys, kind="stable").tolist()


def test_a_piece_of_several_portions_is_sifted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    content = rng.integers(0, 1 << 64, 400, dtype=np.uint64)[rng.integers(0, 400, 3_000)]
    columns = PoolColumns(content, rng.random(3_000) < 0.8, np.round(rng.random(3_000), 1).astype(np.float32))
    whole = sift(columns, 50, score=logged, sign=-1)
    monkeypatch.setattr(sifting, "PORTION", 7)
    for one, other in zip(whole, sift(columns, 50, score=logged, sign=-1), strict=True):
        assert one.tolist() == other.tolist()
    keys = packed(urgency_of(columns.value, sign=-1), is_current=columns.is_current)
    assert np.concatenate(list(keyed(columns, score=logged, sign=-1))).tolist() == keys.tolist()


@pytest.mark.parametrize("classes", [2, 3, 10, 77])
def test_scores_of_more_rows_than_a_block_are_those_of_each_row(classes: int) -> None:
    rows = max(1_024, BLOCK // classes) + 3
    p = np.random.default_rng(classes).dirichlet(np.ones(classes), rows).astype(np.float32)
    two = np.sort(p, axis=1)[:, -2:]
    assert np.array_equal(margin(p), two[:, 1] - two[:, 0])
    assert np.array_equal(entropy(p), np.concatenate([entropy(one) for one in np.array_split(p, 50)]))
    assert np.isnan(margin(np.array([[0.5, np.nan, 0.5]], np.float32)))[0]
