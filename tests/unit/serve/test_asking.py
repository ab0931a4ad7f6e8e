"""Questions to one version, timed by hand."""

import numpy as np

from loopline.serve.asking import Clocks, ask
from loopline.serve.question import Answer, Asked, Question
from loopline.serve.table import Loaded
from loopline.testing.factories import NOW, model_version


def answered(observe: object, *ids: str, nanoseconds: int = 0) -> list[Answer]:
    ticks = iter([7, 7 + nanoseconds] * 9)
    loaded = Loaded.of(model_version("v1"), observe, keep=("embedding",))
    asked = [Asked(Question(id=name, rows=(name,)), "incumbent", "") for name in ids]
    return ask(loaded, asked, clocks=Clocks(lambda: NOW, lambda: next(ticks)))


def said(rows: object, *, extras: object) -> object:
    return np.array([[0.2, 0.3, 0.5]] * len(rows), np.float32), None, None


def test_the_latency_of_an_answer_is_told_in_microseconds():
    (answer,) = answered(said, "good", nanoseconds=3_456_789)
    assert (answer.latency_us, answer.failure) == (3_456, "")


def test_the_reason_of_a_failure_has_a_bounded_length():
    def observe(rows: object, *, extras: object) -> object:
        raise ValueError("x" * 100_000)

    (answer,) = answered(observe, "good", nanoseconds=2_000)
    assert (answer.latency_us, answer.probabilities) == (2, None)
    assert answer.failure == "ValueError: " + "x" * 488


def test_members_and_embeddings_go_to_the_question_whose_rows_they_tell_of():
    def observe(rows: object, *, extras: object) -> object:
        assert extras == {"embedding"}
        places = np.arange(len(rows), dtype=np.float32)
        return said(rows, extras=extras)[0], None, np.stack([places, places], axis=1)

    answers = answered(observe, "a", "b", "c")
    assert [answer.embedding.tolist() for answer in answers] == [[[0, 0]], [[1, 1]], [[2, 2]]]
    assert [answer.members for answer in answers] == [None] * 3


def test_what_is_asked_for_beside_what_is_kept_is_asked_of_the_model():
    asked_for = []

    def observe(rows: object, *, extras: object) -> object:
        asked_for.append(extras)
        return said(rows, extras=extras)

    loaded = Loaded.of(model_version("v1"), observe, keep=("embedding",))
    question = Question(id="r", rows=("x",), extras=frozenset({"members"}))
    ask(loaded, [Asked(question, "incumbent", "")], clocks=Clocks(lambda: NOW, int))
    assert asked_for == [{"embedding", "members"}]
