import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.select import duplicates
from loopline.select.duplicates import BLOCK, EVERY_PAIR, near


def plain_greedy(vectors: np.ndarray, threshold: float) -> list[int]:
    kept: list[int] = []
    owner = []
    for i, vector in enumerate(vectors):
        alike = [k for k in kept if vectors[k] @ vector >= threshold]
        owner.append(alike[0] if alike else i)
        if not alike:
            kept.append(i)
    return owner


@given(st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_near_is_the_plain_greedy_rule(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, size=(n, 3)).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.where(lengths > 0, lengths, 1).astype(np.float32)
    assert near(vectors, threshold=0.8).tolist() == plain_greedy(vectors, 0.8)


def test_duplicates_are_found_across_blocks() -> None:
    n = 2 * BLOCK + 10
    vectors = np.eye(n, dtype=np.float32)
    vectors[n - 1] = vectors[3]
    owner = near(vectors, threshold=0.95)
    assert owner[n - 1] == 3
    assert (owner[: n - 1] == np.arange(n - 1)).all()


def test_no_row_stands_for_another_through_a_folded_one() -> None:
    angles = np.radians([0.0, 15.0, 30.0])
    chain = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert near(chain, threshold=np.cos(np.radians(20.0))).tolist() == [0, 0, 2]


def test_zero_vectors_are_like_nothing() -> None:
    assert near(np.zeros((3, 4), np.float32), threshold=0.95).tolist() == [0, 1, 2]


def scattered(n: int, *, seed: int = 0, dimensions: int = 32) -> np.ndarray:
    """Unit vectors of which every third is a little turned copy of an earlier one."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, dimensions)).astype(np.float32) + 0.5
    copies = np.arange(2, n, 3)
    vectors[copies] = vectors[copies - 2] + 0.02 * rng.normal(size=(len(copies), dimensions)).astype(np.float32)
    vectors = vectors[rng.permutation(n)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("dimensions", "threshold"), [(32, 0.95), (8, 0.999)])
def test_candidate_pairs_give_what_every_pair_gives(monkeypatch, dimensions: int, threshold: float) -> None:
    vectors = scattered(3_000, dimensions=dimensions)
    every = near(vectors, threshold=threshold)
    monkeypatch.setattr(duplicates, "EVERY_PAIR", 100)
    assert near(vectors, threshold=threshold).tolist() == every.tolist()
    assert (every != np.arange(3_000)).sum() >= 500


def test_too_many_alike_rows_are_compared_with_those_that_stand(monkeypatch) -> None:
    vectors = scattered(1_000)
    every = near(vectors, threshold=0.95)
    monkeypatch.setattr(duplicates, "EVERY_PAIR", 100)
    monkeypatch.setattr(duplicates, "MOST_CANDIDATES", 10)
    assert near(vectors, threshold=0.95).tolist() == every.tolist()


def test_no_candidate_stands_for_another_through_a_folded_one(monkeypatch) -> None:
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(600, 32)).astype(np.float32)
    for place, angle in ((100, 0.0), (200, 0.2), (300, 0.4)):
        vectors[place] = 0.0
        vectors[place, :2] = np.cos(angle), np.sin(angle)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(duplicates, "EVERY_PAIR", 100)
    owner = near(vectors, threshold=0.95)
    assert owner[[100, 200, 300]].tolist() == [100, 100, 300]


def test_rows_that_nearly_all_point_one_way_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(EVERY_PAIR + 200, 24)).astype(np.float32) + 3.0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[-1] = vectors[5]
    owner = near(vectors, threshold=0.9995)
    assert np.flatnonzero(owner != np.arange(len(vectors))).tolist() == [len(vectors) - 1]
    assert owner[-1] == 5


def test_no_rows_have_no_owners() -> None:
    assert near(np.zeros((0, 4), np.float32), threshold=0.95).tolist() == []
