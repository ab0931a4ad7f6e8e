"""The guideline, as people read it beside their tasks."""

from tests.unit.apps.people_desk import Desk, person

from loopline.records.guideline import Example, Guideline
from loopline.records.settings import AnnotateSettings
from loopline.testing import factories as make
from loopline.testing.factories import LOOP, NOW
from loopline.testing.rooms import rooms

ANA = person("ana")


def read(desk: Desk, query: str = "") -> dict[str, object]:
    found: dict[str, object] = desk.ask("GET", f"/api/guideline{query}", caller=ANA).json()
    return found


def test_where_nothing_was_written_there_is_an_empty_one() -> None:
    assert read(Desk(rooms(now=NOW))) == {
        "version": 0, "text": "", "examples": [], "at": None, "author": "", "reason": "",
    }  # fmt: skip


def test_what_the_file_says_is_the_first_version() -> None:
    settings = make.settings(annotate=AnnotateSettings(guideline="Read the whole row."))
    found = read(Desk(rooms(now=NOW, settings=settings)))
    assert (found["version"], found["text"], found["author"]) == (1, "Read the whole row.", "loop.toml")


def test_the_newest_version_holds_and_the_others_can_be_read() -> None:
    desk = Desk(rooms(now=NOW))
    example = Example(text="not bad", label="positive", why="litotes")
    for number in (1, 2):
        version = Guideline(
            loop=LOOP, version=number, text=f"text {number}", examples=(example,), at=NOW, author="lea", reason="why"
        )
        desk.house.ledger.commit(make.entry(f"g{number}", version))
    assert read(desk)["text"] == "text 2"
    assert read(desk, "?version=1")["text"] == "text 1"
    assert read(desk)["examples"] == [{"text": "not bad", "label": "positive", "why": "litotes"}]
    missing = desk.ask("GET", "/api/guideline?version=9", caller=ANA)
    assert (missing.status_code, missing.json()["error"]) == (404, "no guideline '9'; known: 2, 1")
