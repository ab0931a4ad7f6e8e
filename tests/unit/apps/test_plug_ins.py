"""Questions and views that installed packages bring, by real entry points."""

import logging
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.unit.apps.people_desk import Desk

from loopline.adapters.views.automatic import VIEWS
from loopline.annotate.questions import BUILT_IN
from loopline.apps import questions, views
from loopline.errors import Conflict, InvalidRecord, NotFound, Unavailable
from loopline.ports.sheet import Sheet
from loopline.records.signature import Signature
from loopline.testing.factories import NOW
from loopline.testing.rooms import rooms

DRAWING = "export function draw(shown, place) { place.textContent = shown.src; }\n"
MODULE = """
from pathlib import Path

from loopline.annotate.questions import Single
from loopline.errors import InvalidRecord

class Spans(Single):
    method = "spans.v1"
    def agreed(self, sheet, *, labels):
        return Single().agreed(sheet, labels=labels)

class Odd:
    method = "odd.v1"
    def canonical(self, answer, *, labels):
        if answer == "refuse":
            raise InvalidRecord("answer", found="refuse", expected="better")
        return {"empty": "", "number": 3}[answer]
    def agreed(self, sheet, *, labels):
        consensus = Single().agreed(sheet, labels=labels)
        return {1: lambda: consensus._replace(posterior=consensus.posterior[:, :1]),
                2: lambda: consensus._replace(sure=consensus.sure + 2),
                3: lambda: consensus._replace(sure=consensus.sure * float("nan")),
                4: lambda: None}[len(sheet.known)]()
    def sure(self, sheet, accuracy, *, labels):
        return [0.5] * (len(sheet.known) + 1)

class Nameless(Single):
    method = ""

class Mute:
    script = "/nowhere/mute.js"
    def shown(self, inputs, *, signature, usual, address):
        return {"kind": "mute"}

class Waveform:
    script = str(Path(__file__).with_name("waveform.js"))
    def shown(self, inputs, *, signature, usual, address):
        if inputs == b'"secret"':
            raise ValueError("cannot read the secret")
        if inputs == b'"bytes"':
            return {"kind": "waveform", "value": object()}
        if inputs == b'"kindless"':
            return {"value": 1}
        return {"kind": "waveform", "src": address}

ODD, NUMBER = Odd(), 7
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    def write(group: str, **points: str) -> None:
        number = len(list(tmp_path.glob("*.dist-info")))
        folder = tmp_path / f"brought{number}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: brought{number}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (folder / "entry_points.txt").write_text(f"[loopline.{group}]\n{lines}")

    (tmp_path / "brought.py").write_text(MODULE)
    (tmp_path / "waveform.js").write_text(DRAWING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "brought", raising=False)
    return write


def sheet(tasks: int) -> Sheet:
    """One answer a task."""
    numbers = np.arange(tasks)
    return Sheet(numbers, np.zeros(tasks, np.int64), ("a",) * tasks, ("",) * tasks, 1, np.zeros((tasks, 2)))


TEXTS = Signature(input="text", labels=("a", "b"))


def test_without_packages_only_the_built_in_ones_are_known() -> None:
    assert questions.known() == ("binary", "multiple", "rating", "single")
    assert views.known() == ("auto", "image", "json", "table", "text")
    assert all(questions.resolved(name) is BUILT_IN[name] for name in questions.known())
    assert all(views.resolved(name, kind="text") is VIEWS[name] for name in VIEWS)
    kinds = {kind: views.resolved("auto", kind=kind) for kind in ("text", "tabular", "image")}  # type: ignore[arg-type]
    assert kinds == {"text": VIEWS["json"], "tabular": VIEWS["table"], "image": VIEWS["image"]}
    with pytest.raises(NotFound, match=r"no question 'nothing'; known: binary, multiple, rating, single"):
        questions.resolved("nothing")
    with pytest.raises(NotFound, match=r"no view 'nothing'; known: auto, image, json, table, text"):
        views.resolved("nothing", kind="text")


def test_an_installed_question_is_made_and_asked(install: Install) -> None:
    install("questions", spans="brought:Spans")
    assert "spans" in questions.known()
    spans = questions.resolved("spans")
    assert (spans.method, spans.canonical("b", labels=("a", "b"))) == ("spans.v1", "b")
    assert spans.agreed(sheet(2), labels=("a", "b")).answer == ("a", "a")
    assert spans.sure(sheet(2), np.array([0.9]), labels=("a", "b")).shape == (2,)
    with pytest.raises(InvalidRecord, match=r"answer: 'c', expected one of a, b"):
        spans.canonical("c", labels=("a", "b"))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("refuse", r"^answer: refuse, expected better$"),
        ("empty", r"^question odd: the answer '', expected a text that is not empty; mend it, or choose another"),
        ("number", r"^question odd: the answer 3, expected a text"),
        ("other", r"^question odd: it raised KeyError: 'other', expected a text"),
    ],
)
def test_answers_that_a_question_spells_wrongly_are_refused_in_its_name(
    install: Install, answer: str, sentence: str
) -> None:
    install("questions", odd="brought:ODD")
    with pytest.raises(InvalidRecord, match=sentence):
        questions.resolved("odd").canonical(answer, labels=("a", "b"))


@pytest.mark.parametrize(
    ("tasks", "found"),
    [
        (1, r"1 answers, \(1,\) sure, posteriors of \(1, 1\)"),
        (2, r"2 answers, \(2,\) sure, posteriors of \(2, 2\)"),
        (3, r"3 answers, \(3,\) sure"),
        (4, "it raised AttributeError"),
    ],
)
def test_labels_of_another_shape_or_beyond_0_to_1_are_refused_in_its_name(
    install: Install, tasks: int, found: str
) -> None:
    install("questions", odd="brought:ODD")
    with pytest.raises(InvalidRecord, match=rf"^question odd: {found}"):
        questions.resolved("odd").agreed(sheet(tasks), labels=("a", "b"))
    with pytest.raises(
        InvalidRecord, match=rf"^question odd: sure of shape \({tasks + 1},\), expected {tasks} numbers"
    ):
        questions.resolved("odd").sure(sheet(tasks), np.array([0.9]), labels=("a", "b"))


def test_what_is_no_question_or_cannot_be_had_is_named(install: Install) -> None:
    install("questions", number="brought:NUMBER", gone="brought:GONE", nameless="brought:Nameless")
    with pytest.raises(
        InvalidRecord, match=r"question number \(brought:NUMBER\): int without method, canonical, agreed"
    ):
        questions.resolved("number")
    with pytest.raises(Unavailable, match=r"question gone \(brought:GONE\): it cannot be imported: AttributeError"):
        questions.resolved("gone")
    with pytest.raises(InvalidRecord, match=r"question nameless: the method '', expected a name with a version"):
        questions.resolved("nameless")


def test_a_name_is_for_one(install: Install) -> None:
    install("questions", spans="brought:Spans")
    install("questions", spans="brought:ODD")
    with pytest.raises(Conflict, match=r"question spans \(brought:Spans\): brought:ODD has that name"):
        questions.known()


@pytest.mark.parametrize(("group", "known", "name"), [("questions", questions, "single"), ("views", views, "auto")])
def test_the_name_of_a_built_in_one_is_taken(install: Install, group: str, known, name: str) -> None:
    install(group, **{name: "brought:ODD"})
    with pytest.raises(Conflict, match=rf"{name} \(brought:ODD\): one that is built in has that name"):
        known.known()


@pytest.mark.parametrize("name", ["Spans", "my_spans", "spans v2", "spans.2"])
def test_a_name_that_cannot_be_one_is_refused(install: Install, name: str) -> None:
    install("views", **{name: "brought:ODD"})
    with pytest.raises(InvalidRecord, match=r"small letters, digits and -, such as spans or spans\.v2"):
        views.known()


def test_an_installed_view_says_which_script_draws_it_and_the_script_is_served(install: Install) -> None:
    install("views", waveform="brought:Waveform")
    view = views.resolved("waveform", kind="text")
    shown = view.shown(b'"any"', signature=TEXTS, usual=(), address="/api/x")
    address = str(shown["script"])
    assert shown == {"kind": "waveform", "src": "/api/x", "script": address}
    assert re.fullmatch(r"/static/views/waveform\.js\?[0-9a-f]{16}", address)
    desk = Desk(rooms(now=NOW, view=view))
    served = desk.ask("GET", address)
    assert (served.text, served.headers["content-type"]) == (DRAWING, "text/javascript; charset=utf-8")
    assert desk.ask("GET", "/static/views/other.js").json()["error"] == "no script 'other.js'; known: waveform.js"
    assert Desk(rooms(now=NOW)).ask("GET", "/static/views/.js").status_code == 404


def test_a_script_that_is_not_there_is_named_at_start(install: Install) -> None:
    install("views", mute="brought:Mute")
    with pytest.raises(
        Unavailable, match=r"script of view mute: /nowhere/mute\.js: No such file or directory; mend it"
    ):
        views.resolved("mute", kind="text")


@pytest.mark.parametrize(
    ("inputs", "kind"), [("secret", "ValueError"), ("bytes", "TypeError"), ("kindless", "TypeError")]
)
def test_a_view_that_fails_says_so_to_the_person_and_quotes_no_sample_in_the_log(
    install: Install, caplog: pytest.LogCaptureFixture, inputs: str, kind: str
) -> None:
    install("views", waveform="brought:Waveform")
    with caplog.at_level(logging.ERROR):
        shown = views.resolved("waveform", kind="text").shown(
            f'"{inputs}"'.encode(), signature=TEXTS, usual=(), address=""
        )
    assert shown == {
        "kind": "text",
        "text": f"This sample cannot be shown: the view waveform failed ({kind}). Pass it on.",
    }
    assert caplog.messages == [f"view waveform failed: {kind}"]
