"""Every built-in view keeps the contract, and so does one from elsewhere behind its guard."""

from loopline.adapters.views.automatic import VIEWS
from loopline.apps.views import Guarded
from loopline.ports.view import View
from loopline.records.signature import Signature
from loopline.testing.view import ViewContract

TEXTS = ("good", "", "\u05e9\u05dc\u05d5\u05dd <b>", "x" * 10_000)
DOCUMENTS = ('{"a": 1}', "[1, [2, {}]]", '{"n": 12345678901234567890}', "{broken", "null", "[" * 900)


class TestText(ViewContract):
    signature = Signature(input="text", labels=("no", "yes"))
    rows = TEXTS

    def make(self) -> View:
        return VIEWS["text"]


class TestTextOfATable(ViewContract):
    signature = Signature(input="tabular", width=2, labels=("no", "yes"))
    rows = ((0.0, 1e300), (-1.5, 2.0))

    def make(self) -> View:
        return VIEWS["text"]


class TestTable(ViewContract):
    signature = Signature(input="tabular", width=2, labels=("no", "yes"))
    rows = ((0.0, 1e300), (-1.5, 2.0))

    def make(self) -> View:
        return VIEWS["table"]


class TestDocument(ViewContract):
    signature = Signature(input="text", labels=("no", "yes"))
    rows = (*TEXTS, *DOCUMENTS)

    def make(self) -> View:
        return VIEWS["json"]


class TestImage(ViewContract):
    signature = Signature(input="image", labels=("no", "yes"), preprocessing="rgb-8x8-flat-unit.v1")
    rows = (b"GIF89a", b"no image at all")

    def make(self) -> View:
        return VIEWS["image"]


class TestGuarded(ViewContract):
    signature = Signature(input="text", labels=("no", "yes"))
    rows = TEXTS

    def make(self) -> View:
        return Guarded("ours", VIEWS["text"])
