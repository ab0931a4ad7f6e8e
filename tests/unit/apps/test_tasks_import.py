"""Answers from elsewhere: the good ones are stored once, each of the others is named with its row and its reason."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopline.apps.tasks.account import Imported, Row
from loopline.apps.tasks.bringing import bring_in
from loopline.apps.tasks.importing import Wish, take_answers
from loopline.apps.tasks.reading import rows_in
from loopline.errors import Conflict, InvalidRecord
from loopline.records.cycle import Phase
from loopline.records.task import Annotation, Task
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms, rooms

NOW = datetime(2027, 1, 1, tzinfo=UTC)
GOOD = {"task": "t0", "annotator": "ana", "label": "positive"}


def house_with(*tasks: Task, question: str = "single", phase: Phase = "published") -> Rooms:
    base = make.settings()
    changed = msgspec.structs.replace(base, annotate=msgspec.structs.replace(base.annotate, question=question))
    house = rooms(now=NOW, settings=changed)
    given = tasks or tuple(make.task(f"t{place}", f"text {place}") for place in range(3))
    house.ledger.commit(make.entry("batch", make.cycle(1, phase=phase), tasks=given))
    return house


def take(house: Rooms, *contents: Any, **wish: Any) -> Imported:
    return take_answers(house, [Row(place, one) for place, one in enumerate(contents, start=1)], wish=Wish(**wish))


def said(house: Rooms) -> tuple[Annotation, ...]:
    return house.book.answers(house.settings.name, cycle=1).annotations


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({**GOOD, "task": "t9"}, "no task 't9'"),
        ({**GOOD, "task": 7}, "task 7, expected the id of one"),
        ({**GOOD, "label": "fine"}, "answer: 'fine', expected one of negative, neutral, positive"),
        ({**GOOD, "label": {"a": 1}}, "answer: {'a': 1}, expected one of negative, neutral, positive"),
        ({**GOOD, "label": None}, "answer: no label, expected one of negative, neutral, positive"),
        ({**GOOD, "annotator": ""}, "annotator: none, expected who gave the answer"),
        ({**GOOD, "annotator": " ana"}, "annotator: ' ana' (4 characters), expected 1 to 64 printable characters"),
        ({**GOOD, "seconds": "soon"}, "seconds: 'soon', expected a number of 0 or more"),
        ({**GOOD, "seconds": -1}, "seconds: -1, expected a number of 0 or more"),
        ({**GOOD, "at": "yesterday"}, "at: 'yesterday', expected a time such as"),
        ({**GOOD, "comment": "x" * 3_000}, "comment: 3,000 characters, expected at most 2,000"),
        ({**GOOD, "comment": "\ud800"}, "task t0: half a surrogate pair, expected whole characters"),
        ({**GOOD, "comment": "a\0b"}, "task t0: a NUL character, expected a text without one"),
        ({**GOOD, "task": "t0\0"}, "a NUL character, expected a text without one"),
        ({**GOOD, "id": "x" * 200}, "expected at most 128 printable characters"),
        ({"text": "good"}, "fields text, expected task, annotator and label"),
        ({"data": {"text": "good"}, "annotations": [{}]}, "no loopline_task in its data"),
        ({"data": {"loopline_task": "t0"}, "annotations": [{}]}, "annotation 1: Object missing required field"),
        ({"annotation_id": 5, "label": "positive"}, "no loopline_task, expected the one that our export wrote"),
        ({"data": [], "annotations": {}}, "a task without data, or with annotations that are no list"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named_and_holds_nothing_up(row: dict[str, Any], error: str) -> None:
    house = house_with()
    account = take(house, GOOD, row, {**GOOD, "task": "t1"})
    assert [fault.row for fault in account.errors] == [2]
    assert error in account.errors[0].error
    assert (account.read, account.stored, account.bad) == (3, 2, 1)
    assert [one.task for one in said(house)] == ["t0", "t1"]


def test_among_many_answers_the_one_that_is_refused_is_found() -> None:
    house = house_with(*(make.task(f"t{place}", f"text {place}") for place in range(40)))
    rows = [{**GOOD, "task": f"t{place if place != 17 else 99}"} for place in range(40)]
    account = take(house, *rows)
    assert (account.stored, account.bad, account.errors[0].row) == (39, 1, 18)


def test_what_a_person_said_here_stands_and_a_second_import_changes_nothing() -> None:
    house = house_with()
    house.queue.submit((make.annotation("own", task="t0", label="negative"),), loop=house.settings.name)
    account = take(house, GOOD, {**GOOD, "task": "t1"})
    assert (account.stored, account.repeated) == (1, 1)
    assert take(house, GOOD, {**GOOD, "task": "t1"}).repeated == 2
    assert [(one.task, one.label) for one in said(house)] == [("t0", "negative"), ("t1", "positive")]


def test_an_answer_that_was_undone_here_is_not_given_again() -> None:
    house = house_with()
    take(house, {**GOOD, "id": "a"})
    house.queue.withdraw("a", loop=house.settings.name, annotator="ana", now=NOW)
    account = take(house, {**GOOD, "id": "a"})
    assert (account.stored, account.bad, said(house)) == (0, 1, ())
    assert "undone answer" in account.errors[0].error


def test_answers_are_never_later_than_now_and_people_go_by_the_names_that_were_given() -> None:
    task = {"data": {"loopline_task": "t0"}}
    result = [{"from_name": "label", "type": "choices", "value": {"choices": ["neutral"]}}]
    people = [{"id": 7, "email": "bo@example.com"}, 8, "chidi"]
    annotations = [
        {"id": place, "completed_by": by, "result": result, "updated_at": "2099-01-01T00:00:00Z"}
        for place, by in enumerate(people)
    ]
    house = house_with(make.task("t0", wanted=9))
    take(house, {**task, "annotations": annotations}, people={"bo@example.com": "bo"}, source="studio-2")
    assert [(one.id, one.annotator, one.at) for one in said(house)] == [
        ("studio-2/0", "bo", NOW), ("studio-2/1", "studio-2/8", NOW), ("studio-2/2", "chidi", NOW),
    ]  # fmt: skip


def test_several_labels_come_as_a_list_as_its_text_or_alone() -> None:
    house = house_with(question="multiple")
    rows = [
        {**GOOD, "task": "t0", "label": ["positive", "negative"]},
        {**GOOD, "task": "t1", "label": '["positive","negative"]'},
        {**GOOD, "task": "t2", "label": "neutral"},
    ]
    assert take(house, *rows).stored == 3
    assert [one.label for one in said(house)] == ['["negative", "positive"]'] * 2 + ['["neutral"]']


def test_bodies_are_read_within_bounds() -> None:
    table = pa.table({"task": ["t0", "t1"], "annotator": ["ana", "ana"], "label": ["positive", "fine"]})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    account = take_answers(house_with(), rows_in(sink.getvalue().to_pybytes(), kind="parquet"), wish=Wish())
    assert (account.stored, [fault.row for fault in account.errors]) == (1, [2])
    lines = b'{"task": "t0", "annotator": "ana", "label": "positive"}\nno json\n[1]\n'
    account = take_answers(house_with(), rows_in(lines, kind="jsonl"), wish=Wish())
    assert (account.stored, [fault.row for fault in account.errors]) == (1, [2, 3])
    for body, kind, expected in (
        (b"PK\x03\x04rest", "json", "request: a zip archive, expected what is in it; unpack it first"),
        (b"\x1f\x8brest", "csv", "a gzip file"),
        (b"[" * 100_000, "json", "expected a list of JSON objects"),
        (b"[" + b"0," * 100_000 + b"0]", "json", "more than 100,000 rows"),
        (b"none", "parquet", "expected a Parquet file"),
        (b"", "csv", "expected a header"),
        (b"a,a\n1,2\n", "csv", "distinct names"),
    ):
        with pytest.raises(InvalidRecord, match=expected):
            list(rows_in(body, kind=kind))  # type: ignore[arg-type]  # as the parameters say
    deep = b'[{"task": ' + b"[" * 50_000 + b"]" * 50_000 + b"}]"
    with pytest.raises(InvalidRecord, match="expected a list of JSON objects"):
        list(rows_in(deep, kind="json"))


def bring(house: Rooms, *contents: Any, is_dry: bool = False) -> Imported:
    rows = [Row(place, one) for place, one in enumerate(contents, start=1)]
    return bring_in(house, rows, actor="lea", is_dry=is_dry)


def test_new_samples_join_the_open_batch_once_each() -> None:
    house = house_with()
    rows = ({"text": "new one", "id": "n1"}, {"data": {"text": "another"}}, {"text": "new one"}, {"text": "text 0"})
    assert bring(house, *rows, is_dry=True).stored == 2
    assert len(house.book.answers(house.settings.name, cycle=1).tasks) == 3
    account = bring(house, *rows, {"other": 1})
    assert (account.stored, account.repeated, account.bad) == (2, 2, 1)
    assert account.errors[0].error == "row: fields other, expected text"
    made = {task.sample: task for task in house.book.answers(house.settings.name, cycle=1).tasks}
    new = made["import/n1"]  # type: ignore[index]  # ids are texts
    assert (new.stratum, new.inputs, new.suggestion, new.gold) == ("relabel", b'"new one"', "", "")
    assert bring(house, *rows).stored == 0
    [event] = house.ledger.events(house.settings.name, newest=9)
    assert event.text == "lea brought 2 samples from outside into the batch of cycle 1"


def test_what_judges_models_is_not_brought_in_and_no_more_is_said() -> None:
    sealed = make.task("r", "sealed text", stratum="reserve")
    house = house_with(sealed, make.task("t0", "text 0"))
    account = bring(house, {"text": "sealed text"}, {"text": "open text"})
    assert (account.stored, account.bad) == (1, 1)
    assert account.errors[0].error == "sample: not taken, expected one that this loop does not keep apart"
    base = house.settings
    everything = msgspec.structs.replace(base, capture=msgspec.structs.replace(base.capture, reserve=0.5))
    half = bring(replace(house, settings=everything), *({"text": f"sample {place}"} for place in range(200)))
    assert 60 < half.bad < 140
    assert {fault.error for fault in half.errors} == {account.errors[0].error}


@pytest.mark.parametrize("phase", ["open", "selected", "labelled", "closed"])
def test_without_an_open_batch_there_is_no_place_for_them(phase: Phase) -> None:
    with pytest.raises(Conflict, match=rf"no batch is open \(cycle 1: {phase}\).*try again once"):
        bring(house_with(phase=phase), {"text": "new"})
