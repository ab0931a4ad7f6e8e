from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.ports.columns import PoolRows
from loopline.select import sifting
from loopline.select.sifting import copies, freed, keys_of, merged, packed, positions, scatter, sift, unpacked, without
from loopline.testing.pool_pieces import columns_of, digest, rows_of, sketch_of

ROWS = st.lists(
    st.tuples(st.integers(0, 12), st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, -0.0, float("nan")])),
    max_size=40,
)


def naive(rows: PoolRows, value: np.ndarray, *, model: str) -> list[tuple[bool, float, int, int]]:
    """(other, urgency, content key, position) of the row that stands for each sample, best first."""
    best: dict[int, tuple[bool, float, int]] = {}
    for at, key in enumerate(keys_of(rows.content).tolist()):
        urgency = float("inf") if np.isnan(value[at]) else float(value[at])
        found = (rows.model[at] != model, urgency, int(rows.position[at]))
        best[key] = min(best.get(key, found), found)
    return sorted((other, urgency, key, position) for key, (other, urgency, position) in best.items())


def test_numbers_pack_in_order_and_come_back() -> None:
    urgency = np.array([-np.inf, -3.5, -1e-38, 0.0, 1e-38, 0.5, np.inf], np.float32)
    keys = packed(urgency, is_current=np.ones(7, np.bool_))
    assert keys.tolist() == sorted(keys.tolist())
    assert unpacked(keys).tolist() == urgency.tolist()
    assert packed(urgency, is_current=np.zeros(7, np.bool_)).min() > keys.max()


@given(ROWS, st.integers(1, 50))
def test_a_piece_gives_what_a_plain_search_gives(drawn: list[tuple[int, bool, float]], most: int) -> None:
    rows, value = rows_of(drawn)
    found = sift(columns_of(rows, value, model="v1"), most, score=lambda v: v, sign=1)
    expected = naive(rows, value, model="v1")
    assert found.content.tolist() == sorted(key for _, _, key, _ in expected)
    assert dict(zip(found.content.tolist(), rows.position[found.best].tolist(), strict=True)) == {
        key: position for _, _, key, position in expected
    }
    assert rows.position[found.top].tolist() == [position for *_, position in expected][:most]
    assert found.copies.sum() == len(drawn)


@given(ROWS, st.integers(1, 8), st.lists(st.integers(0, 40), max_size=15), st.sets(st.integers(0, 12)))
def test_any_cut_into_pieces_gives_the_same_pool(
    drawn: list[tuple[int, bool, float]], most: int, cuts: list[int], taken: set[int]
) -> None:
    rows, value = rows_of(drawn)
    edges = [0, *sorted(min(cut, len(drawn)) for cut in cuts), len(drawn)]
    sketches = [sketch_of(rows, value, range(start, stop), model="v1", most=most) for start, stop in pairwise(edges)]
    gone = np.array(sorted(keys_of([digest(content) for content in taken]).tolist()), np.uint64)
    found = merged(sketches, taken=gone)
    expected = [one for one in naive(rows, value, model="v1") if one[2] not in set(gone.tolist())]
    assert found.content.tolist() == sorted(key for _, _, key, _ in expected)
    assert (found.found, found.rows) == (
        len(drawn),
        sum(key not in set(gone.tolist()) for key in keys_of(rows.content)),
    )
    certain = [sketches[p].rows.position[r] for p, r in zip(found.piece, found.row, strict=True)]
    assert certain == [position for *_, position in expected][: len(certain)]
    assert not found.is_whole or len(certain) == len(expected)


@given(ROWS)
def test_copies_and_positions_count_every_piece(drawn: list[tuple[int, bool, float]]) -> None:
    rows, value = rows_of(drawn)
    half = len(drawn) // 2
    sketches = [sketch_of(rows, value, part, model="v1", most=3) for part in (range(half), range(half, len(drawn)))]
    keys = np.unique(keys_of(rows.content))
    assert copies(sketches, keys).tolist() == [int((keys_of(rows.content) == key).sum()) for key in keys]
    assert set(positions(sketches, keys).tolist()) <= set(rows.position.tolist())
    assert len(positions(sketches, keys)) >= len(keys)


@pytest.mark.parametrize("portion", [1, 3, 1 << 16])
def test_keys_are_freed_of_others_across_portions(monkeypatch, portion: int) -> None:
    monkeypatch.setattr(sifting, "PORTION", portion)
    keys = np.arange(1, 20, dtype=np.uint64)
    for known in ([], [1, 2, 3, 4, 5], [7], [0, 4, 12, 19, 40], list(range(1, 20))):
        gone = np.array(known, np.uint64)
        expected = [key for key in keys.tolist() if key not in known]
        assert freed(keys.copy(), gone).tolist() == without(keys, gone).tolist() == expected
    assert keys.tolist() == list(range(1, 20))


def test_more_is_asked_for_where_a_piece_was_cut_off_too_early() -> None:
    rows, value = rows_of([(n, True, n / 100) for n in range(10)])
    near, far = (sketch_of(rows, value, part, model="v1", most=2) for part in (range(5), range(5, 10)))
    found = merged([near, far], taken=np.zeros(0, np.uint64))
    assert (found.row.tolist(), found.is_whole) == (
        [0, 1],
        False,
    )  # row 2 of the near piece is better than all far ones


def test_the_uniform_kernel_gives_every_row_of_a_sample_one_lot_and_another_seed_other_lots() -> None:
    rows, value = rows_of([(n % 50, True, 0.0) for n in range(100)])
    first, second = (scatter(columns_of(rows, value, model="v1"), 10, seed=seed) for seed in (1, 2))
    assert rows.content[first.top].tolist() != rows.content[second.top].tolist()
    assert (first.urgency >= 0).all()
    assert (np.diff(first.urgency) >= 0).all()


@pytest.mark.parametrize("content", ["p1", "0" * 63, "ab" * 40])
def test_a_content_that_is_no_digest_has_a_key_all_the_same(content: str) -> None:
    assert keys_of([content]).dtype == np.uint64


def test_an_empty_pool_is_a_pool() -> None:
    found = merged([], taken=np.zeros(0, np.uint64))
    assert (len(found.content), len(found.best), found.found, found.rows, found.is_whole) == (0, 0, 0, 0, True)


def test_of_a_piece_that_kept_nothing_nothing_is_certain() -> None:
    rows, value = rows_of([(n, True, n / 100) for n in range(10)])
    near, far = (sketch_of(rows, value, part, model="v1", most=2) for part in (range(5), range(5, 10)))
    emptied = near._replace(
        rows=PoolRows._make(column[:0] for column in near.rows),
        urgency=near.urgency[:0],
        is_current=near.is_current[:0],
    )
    found = merged([emptied, far], taken=np.zeros(0, np.uint64))
    assert (len(found.best), found.is_whole, len(found.content)) == (0, False, 10)
