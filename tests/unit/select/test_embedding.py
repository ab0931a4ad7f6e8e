import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loopline.records.signature import Signature
from loopline.select.embedding import char_ngrams, embed, features

TEXTS = st.lists(st.text(max_size=40), max_size=12)


@given(TEXTS)
def test_a_vector_depends_on_its_own_text_only(texts: list[str]) -> None:
    together = char_ngrams(texts)
    for text, vector in zip(texts, together, strict=True):
        assert char_ngrams([text])[0].tobytes() == vector.tobytes()


@given(TEXTS)
def test_vectors_have_unit_length_or_are_zero(texts: list[str]) -> None:
    lengths = np.linalg.norm(char_ngrams(texts), axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0))


@given(st.text(max_size=40))
def test_blanks_around_a_text_do_not_matter(text: str) -> None:
    assert np.array_equal(*char_ngrams([text, f"  {text}\n"]))


def test_alike_texts_are_near_and_unlike_ones_far() -> None:
    a, b, c = char_ngrams(["I love this place so much", "I love this place so much!", "the trains are late again"])
    assert a @ b > 0.9
    assert abs(a @ c) < 0.4


def test_chunks_do_not_show() -> None:
    texts = [f"sentence number {i} of a long list" for i in range(1_100)]
    assert np.array_equal(char_ngrams(texts)[1_050], char_ngrams([texts[1_050]])[0])


def test_a_lone_surrogate_is_embedded_like_any_character() -> None:
    assert np.isfinite(char_ngrams(["odd \ud800 text"])).all()


def test_constant_columns_say_nothing() -> None:
    rows = np.array([[1.0, 7.0, 3.0], [2.0, 7.0, 1.0], [3.0, 7.0, 2.0]])
    vectors = features(rows)
    assert (vectors[:, 1] == 0).all()
    assert np.isfinite(vectors).all()


def test_rows_are_embedded_by_their_kind() -> None:
    text = Signature(input="text", labels=("a", "b"))
    table = Signature(input="tabular", width=2, labels=("a", "b"))
    assert embed([b'"so good"'], text).shape == (1, 256)
    assert embed([b"[1.0,2.0]", b"[2.0,1.0]"], table).shape == (2, 2)
    assert embed([], text).shape == (0, 256)
    assert embed([], table).shape == (0, 2)
