"""What leaves the loop: every field of the record, and to who labels nothing that they must not know."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.apps.tasks.exporting import FORMS, Order, rows
from loopline.apps.tasks.importing import Wish, take_answers
from loopline.apps.tasks.label_studio import interface, task_as_imported
from loopline.apps.tasks.reading import rows_in
from loopline.apps.tasks.writing import guarded, unguarded, written
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.records.signature import Signature
from loopline.records.task import Stratum, Task
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms, rooms

NOW = datetime(2027, 1, 1, tzinfo=UTC)
WILD = '=1+1, "é"\n\u6f22'
STRATA: tuple[Stratum, ...] = ("chosen", "audit", "reserve", "gold", "relabel")


def batch() -> tuple[Task, ...]:
    """One task a stratum, with everything set that its stratum may have."""
    told = {"withheld": "neutral", "cluster": "cycle-1/7", "skill": "law"}
    return tuple(
        make.task(f"t{place}", f"{WILD} {place}", stratum=stratum, gold="positive" * (stratum == "gold"), **told)
        for place, stratum in enumerate(STRATA)
    )


@pytest.fixture
def house() -> Rooms:
    house = rooms(now=NOW)
    shown = make.task("t5", "shown", suggestion="negative", suggested_by="v3", prior=(0.7, 0.2, 0.1))
    wrong = make.task("t6", "also gold", stratum="gold", gold="positive", suggestion="negative", suggested_by="v3")
    house.ledger.commit(make.entry("batch", make.cycle(1, phase="published"), tasks=(*batch(), shown, wrong)))
    return house


def exported(house: Rooms, **order: Any) -> bytes:
    asked = Order(**order)
    return b"".join(written(rows(house, asked), asked, settings=house.settings))


def plain(content: bytes, form: str) -> bytes:
    """The file as text."""
    return json.dumps(pq.read_table(io.BytesIO(content)).to_pylist()).encode() if form == "parquet" else content


@pytest.mark.parametrize("form", FORMS)
def test_to_who_labels_nothing_tells_one_stratum_from_another(house: Rooms, form: str) -> None:
    content = plain(exported(house, purpose="labelling", form=form), form)
    for word in (b"stratum", b"gold", b"withheld", b"reserve", b"audit", b"cluster", b"neutral", b"law", b"0.7"):
        assert word not in content.replace(b"also gold", b"")
    if form == "label-studio":
        told = json.loads(content)
        shapes = {tuple(sorted(one)): set() for one in told}
        for one in told:
            shapes[tuple(sorted(one))].add(one["data"]["loopline_task"])
        assert shapes == {
            ("data", "meta"): {"t0", "t1", "t2", "t3", "t4"},
            ("data", "meta", "predictions"): {"t5", "t6"},
        }
        [first, second] = (one["predictions"] for one in told if "predictions" in one)
        assert first == second


def test_a_known_task_leaves_the_open_ones_when_the_others_do(house: Rooms) -> None:
    for task in ("t0", "t3"):
        house.queue.submit((make.annotation(task, task=task),), loop=house.settings.name)
    left = [json.loads(line)["task"] for line in exported(house, purpose="labelling").splitlines()]
    assert left == ["t1", "t2", "t4", "t5", "t6"]


def test_sealed_samples_stay_out_of_every_record(house: Rooms) -> None:
    answers = (make.annotation("a2", task="t2"), make.annotation("a0", task="t0", comment=WILD))
    house.queue.submit(answers, loop=house.settings.name)
    texts = ("good", "sealed")
    labels = (make.label("p0", texts[0]), make.label("p1", texts[1], stratum="reserve"))
    house.ledger.commit(make.entry("labels", make.label_batch(*labels)))
    tasks = [json.loads(line) for line in exported(house).splitlines()]
    assert [task["stratum"] for task in tasks] == ["chosen", "audit", "gold", "relabel", "chosen", "gold"]
    assert [task["gold"] for task in tasks if task["stratum"] == "gold"] == ["positive", "positive"]
    for form in FORMS:
        said = plain(exported(house, what="annotations", form=form), form)
        assert b"t0" in said
        assert b"t2" not in said
    [label] = [json.loads(line) for line in exported(house, what="labels").splitlines()]
    assert (label["text"], label["label"], label["posterior"]) == ("good", "positive", list(labels[0].posterior))


def test_a_sealed_sample_that_is_asked_about_again_stays_too(house: Rooms) -> None:
    again = make.task("again", f"{WILD} 2", stratum="relabel", cycle=2)
    house.ledger.commit(make.entry("second", make.cycle(2, phase="published"), tasks=(again,)))
    house.queue.submit((make.annotation("of-again", task="again"),), loop=house.settings.name)
    label = make.label("p9", f"{WILD} 2", stratum="relabel")
    house.ledger.commit(make.entry("labels", make.label_batch(label, id="cycle-2", cycle=2)))
    assert house.book.answers(house.settings.name, cycle=1).tasks[2].content == again.content == label.content
    for form in FORMS:
        assert b"again" not in plain(exported(house, cycle="all", form=form), form)
        assert b"again" not in plain(exported(house, what="annotations", cycle="all", form=form), form)
    assert exported(house, what="labels", cycle="all") == b""


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_answers_that_leave_come_back_field_by_field(house: Rooms, form: str) -> None:
    answers = (
        make.annotation("a0", task="t0", comment=WILD, is_flagged=True, seconds=3.25),
        make.annotation("a1", task="t1", annotator="bo", label="neutral", is_bulk=True),
        make.annotation("a3", task="t3", comment="'=quoted"),
    )
    house.queue.submit(answers, loop=house.settings.name)
    house.queue.submit((make.annotation("gone", task="t4"),), loop=house.settings.name)
    house.queue.withdraw("gone", loop=house.settings.name, annotator="ana", now=NOW)
    content = exported(house, what="annotations", form=form)
    assert b"gone" in plain(content, form)
    other = rooms(now=NOW)
    other.ledger.commit(make.entry("batch", make.cycle(1, phase="published"), tasks=batch()))
    account = take_answers(other, rows_in(content, kind=form), wish=Wish())  # type: ignore[arg-type]  # as above
    assert (account.stored, account.repeated, account.bad) == (3, 1, 0)
    assert other.book.answers(other.settings.name, cycle=1).annotations == answers


def test_no_cell_of_a_csv_file_is_run_by_a_spreadsheet(house: Rooms) -> None:
    house.queue.submit((make.annotation("a", task="t0", comment="@SUM(1)"),), loop=house.settings.name)
    for what in ("tasks", "annotations"):
        cells = [
            cell for row in csv.reader(io.StringIO(exported(house, what=what, form="csv").decode())) for cell in row
        ]
        assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r")]
    assert any(cell == "'@SUM(1)" for cell in cells)


@given(st.text(st.sampled_from("'=+-@\t\r\n\uff1d\uff0b\uff0d\uff20a ")))
def test_a_guarded_cell_begins_no_formula_and_is_read_back_as_it_was(text: str) -> None:
    assert guarded(text)[:1] not in set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20") or not text
    assert unguarded(guarded(text)) == text


def test_several_labels_are_lists_and_features_are_columns() -> None:
    base = make.settings()
    signature = Signature(input="tabular", width=2, labels=("a", "b"))
    several = msgspec.structs.replace(base.annotate, question="multiple")
    house = rooms(now=NOW, settings=msgspec.structs.replace(base, signature=signature, annotate=several))
    task = make.task("t0", inputs=b"[1.5,-2.0]")
    house.ledger.commit(make.entry("batch", make.cycle(1, phase="published"), tasks=(task,)))
    house.queue.submit((make.annotation(task="t0", label='["a", "b"]'),), loop=house.settings.name)
    [said] = exported(house, what="annotations").splitlines()
    assert json.loads(said)["label"] == ["a", "b"]
    table = pq.read_table(io.BytesIO(exported(house, form="parquet")))
    assert table.select(["x0", "x1"]).to_pylist() == [{"x0": 1.5, "x1": -2.0}]
    [_, line] = exported(house, form="csv").decode().splitlines()
    assert ",1.5,-2.0," in line


def test_what_cannot_be_asked_for_is_refused_before_the_first_row(house: Rooms) -> None:
    with pytest.raises(InvalidRecord, match="labels as label-studio: no such format"):
        exported(house, what="labels", form="label-studio")
    with pytest.raises(InvalidRecord, match="export for labelling: annotations, expected tasks"):
        exported(house, what="annotations", purpose="labelling")
    with pytest.raises(InvalidRecord, match="export for labelling: cycle all, expected the open batch"):
        exported(house, cycle="all", purpose="labelling")
    with pytest.raises(NotFound, match="no cycle '7'; known: open, all, 1"):
        exported(house, cycle="7")
    with pytest.raises(Conflict, match="tasks: no batch is open"):
        exported(rooms(now=NOW))


PAGE = Path(__file__).parents[3] / "docs" / "label-studio.md"


def shown(mark: str) -> str:
    """The block of the page that this mark stands before."""
    found = re.search(rf"<!-- {mark} -->\n *```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, mark
    return found[1]


def test_the_page_shows_what_leaves_and_what_is_taken() -> None:
    settings = make.settings()
    assert shown("interface").strip() == interface(settings).strip()
    task = make.task("t1", "a fine film", suggestion="positive", suggested_by="v3")
    assert json.loads(shown("task")) == json.loads(msgspec.json.encode(task_as_imported(task, settings=settings)))
    house = rooms(now=NOW)
    house.ledger.commit(make.entry("batch", make.cycle(1, phase="published"), tasks=(task,)))
    assert take_answers(house, rows_in(shown("answers").encode(), kind="csv"), wish=Wish()).stored == 1
