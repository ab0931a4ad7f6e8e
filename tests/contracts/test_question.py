"""Every built-in question keeps the contract, and so does one from elsewhere behind its guard."""

from loopline.annotate.questions import BUILT_IN
from loopline.apps.questions import Guarded
from loopline.ports.question import Question
from loopline.testing.question import QuestionContract


class TestSingle(QuestionContract):
    labels = ("negative", "neutral", "positive")
    answers = ("negative", "neutral", "positive")
    refused = ("great", "", "Negative", ["negative", "neutral"], [])

    def make(self) -> Question:
        return BUILT_IN["single"]


class TestBinary(QuestionContract):
    labels = ("no", "yes")
    answers = ("no", "yes")
    refused = ("maybe", "", ["no", "yes"])

    def make(self) -> Question:
        return BUILT_IN["binary"]


class TestRating(QuestionContract):
    labels = ("1", "2", "3", "4", "5")
    answers = ("1", "3", "5")
    refused = ("6", "", "4.5", ["1", "2"])

    def make(self) -> Question:
        return BUILT_IN["rating"]


class TestMultiple(QuestionContract):
    labels = ("a", "b", "c")
    answers = (["a"], ["a", "c"], [], ["c", "b", "a"])
    refused = ("a", "", ["d"], ["a", "d"], "[1]", '["a"', '{"a": 1}')

    def make(self) -> Question:
        return BUILT_IN["multiple"]


class TestGuarded(QuestionContract):
    labels = ("low", "middle", "high")
    answers = ("low", "high")
    refused = ("none",)

    def make(self) -> Question:
        return Guarded("ours", BUILT_IN["rating"])
