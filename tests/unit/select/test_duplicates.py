import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loopline.select.duplicates import BLOCK, exact, near


@given(st.lists(st.sampled_from("abcdef"), max_size=40), st.randoms(use_true_random=False))
def test_exact_folds_every_row_once(contents: list[str], random: object) -> None:
    preference = np.random.default_rng(len(contents)).permutation(len(contents))
    stands, copies = exact(np.array(contents, object), preference)
    assert copies.sum() == len(contents)
    assert [contents[i] for i in stands] == sorted(set(contents))
    for at, count in zip(stands, copies, strict=True):
        same = [i for i, content in enumerate(contents) if content == contents[at]]
        assert count == len(same)
        assert preference[at] == min(preference[i] for i in same)


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
