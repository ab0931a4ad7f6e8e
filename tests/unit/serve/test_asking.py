"""One question to one version, timed by hand."""

import numpy as np

from loopline.records.prediction import Prediction
from loopline.serve.asking import ask
from loopline.serve.sample import samples
from loopline.serve.table import Loaded
from loopline.testing.factories import NOW, SIGNATURE, model_version


def asked(predict: object, *, nanoseconds: int = 0) -> Prediction:
    ticks = iter((7, 7 + nanoseconds))
    rows = samples(["good"], request="r", group="", signature=SIGNATURE, role=lambda _: "loop")
    loaded = Loaded(model_version("v1"), predict)
    (answer,) = ask(loaded, arm="incumbent", asked=rows, now=lambda: NOW, timer=lambda: next(ticks))
    return answer


def test_the_latency_of_an_answer_is_told_in_microseconds():
    answer = asked(lambda rows: np.array([[0.2, 0.3, 0.5]], np.float32), nanoseconds=3_456_789)
    assert (answer.latency_us, answer.failure) == (3_456, "")


def test_the_reason_of_a_failure_has_a_bounded_length():
    def predict(rows: object) -> object:
        raise ValueError("x" * 100_000)

    answer = asked(predict, nanoseconds=2_000)
    assert (answer.latency_us, answer.label) == (2, "")
    assert answer.failure == "ValueError: " + "x" * 488
