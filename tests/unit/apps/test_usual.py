"""The usual range beside each value of a table."""

import pytest
from tests.unit.apps.people_desk import Desk, person

from loopline.adapters.views.automatic import VIEWS
from loopline.errors import NotFound
from loopline.records.dataset import LabelledRow
from loopline.records.signature import Signature
from loopline.testing import factories as make
from loopline.testing.factories import NOW
from loopline.testing.rooms import rooms

TABLE = make.settings(signature=Signature(input="tabular", width=2, labels=make.LABELS))


def table(base: list[LabelledRow], values: list[bytes]) -> Desk:
    desk = Desk(rooms(now=NOW, settings=TABLE, view=VIEWS["table"], base=lambda: base))
    desk.publish(*(make.task(f"t{n:03}", inputs=row, content=make.digest(row)) for n, row in enumerate(values)))
    return desk


def shown(desk: Desk, annotator: str = "ana") -> list[dict[str, object]]:
    (task,) = desk.post("/api/claim", person(annotator))["tasks"]
    assert task["view"]["kind"] == "table"
    rows: list[dict[str, object]] = task["view"]["rows"]
    return rows


def test_nine_of_ten_rows_of_the_base_lie_in_it() -> None:
    base = [make.labelled_row(f"r{n}", inputs=b"[%d.0,-%d.0]" % (n, n)) for n in range(101)]
    assert shown(table(base, [b"[95.0,-95.1]"])) == [
        {"name": "feature 0", "value": 95.0, "low": 5.0, "high": 95.0, "is_unusual": False},
        {"name": "feature 1", "value": -95.1, "low": -95.0, "high": -5.0, "is_unusual": True},
    ]


def test_without_a_base_the_batch_tells_what_is_usual() -> None:
    rows = shown(table([], [b"[%d.0,%d.5]" % (n, n) for n in range(41)]))
    assert [(row["low"], row["high"]) for row in rows] == [(2.0, 38.0), (2.5, 38.5)]
    assert rows[0]["is_unusual"]


def test_of_a_few_rows_nothing_is_usual() -> None:
    rows = shown(table([], [b"[1.0,2.0]"]))
    assert {(row["low"], row["high"], row["is_unusual"]) for row in rows} == {(None, None, False)}


def test_the_base_is_read_once_and_not_before_a_table_is_shown() -> None:
    read: list[int] = []

    def base() -> list[LabelledRow]:
        read.append(1)
        return [make.labelled_row(f"r{n}", inputs=b"[%d.0,0.0]" % n) for n in range(20)]

    desk = Desk(rooms(now=NOW, settings=TABLE, view=VIEWS["table"], base=base))
    desk.publish(*(make.task(f"t{n}", inputs=b"[%d.0,1.0]" % n, content=make.digest(b"%d" % n)) for n in range(3)))
    assert read == []
    for annotator in ("ana", "bo", "chidi"):
        shown(desk, annotator)
    assert read == [1]


def test_a_base_that_is_gone_keeps_nobody_from_labelling() -> None:
    def base() -> list[LabelledRow]:
        raise NotFound("file", "base.csv")

    desk = Desk(rooms(now=NOW, settings=TABLE, view=VIEWS["table"], base=base))
    desk.publish(make.task("t1", inputs=b"[1.0,1.0]", content=make.digest(b"1")))
    assert {row["low"] for row in shown(desk)} == {None}


@pytest.mark.parametrize("inputs", [b"[1.0]", b'"a text"', b"nonsense"])
def test_a_row_that_cannot_be_read_is_shown_as_a_text_that_says_so(inputs: bytes) -> None:
    desk = table([], [inputs])
    (task,) = desk.post("/api/claim", person("ana"))["tasks"]
    assert task["view"]["text"].startswith("This sample cannot be shown: found ")
