"""``loopline accuracy`` and its page: what is stored, side by side."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.apps.accuracy import AccuracyTable, accuracy_table
from loopline.apps.cli.accuracy import NONE, told
from loopline.apps.http.control import make_control
from loopline.apps.web.render import text
from loopline.apps.wiring import FOLDER
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection
from loopline.testing import factories as make
from loopline.testing import story
from loopline.testing.rooms import Rooms, StoredConsole, rooms

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.fixture
def house() -> Rooms:
    house = rooms(now=NOW)
    story.tell(house.ledger, now=NOW)
    return house


def table_of(house: Rooms) -> AccuracyTable:
    return accuracy_table(house.ledger, house.settings.name)


def shown(table: AccuracyTable) -> str:
    return " ".join(text("accuracy.html", here="accuracy", loop_name="sentiment", table=table).split())


def cycle_of(number: int, *, missing: int = 0) -> tuple[Selection, LabelBatch]:
    """A cycle of 60 even draws out of 1,000, every sixth wrong, half of them the audit's."""
    drawn = [
        make.candidate(
            f"n{number}-{i}",
            f"{number} {i}",
            order=i,
            proposal=1.0 / (1_000 - i),
            draw="audit" if i % 2 else "chosen",
            predicted="negative" if i % 6 == 0 else "positive",
        )
        for i in range(60)
    ]
    changes = {"id": f"cycle-{number}", "cycle": number}
    chosen = make.selection(*drawn, pool_distinct=1_000, explore=0.5, model=f"v{number}", **changes)
    return chosen, make.label_batch(*(make.label(one.prediction) for one in drawn[missing:]), **changes)


def add_cycle(house: Rooms, number: int, **changes: int) -> None:
    house.ledger.commit(make.entry(f"cycle {number}", *cycle_of(number, **changes)))


def test_cycles_that_have_labels_stand_newest_first_and_the_last_five_are_read_together(house):
    for number in range(4, 9):
        add_cycle(house, number)
    table = table_of(house)
    assert [one.cycles for one in table.cycles] == [(8,), (7,), (6,), (5,), (4,), (2,), (1,)]
    assert table.latest.cycles == (4, 5, 6, 7, 8)
    assert table.latest.lure.value == pytest.approx(5 / 6)
    assert table.latest.lure.n == 300
    assert table.latest.audit.n == 150


def test_the_page_puts_the_three_readings_side_by_side_with_their_n(house):
    add_cycle(house, 4, missing=3)
    page = shown(table_of(house))
    assert '<a href="/cycles/4">4</a>' in page
    assert '<a href="/models/v4">v4</a>' in page
    assert "n&nbsp;57" in page
    assert "not told" in page  # the story's selections kept no odds
    assert "1 to 4 together" in page
    assert "3 of 140 drawn samples have no label." in page
    assert "Cannot be told: the odds of each draw were not kept yet in cycle 1, 2." in page


def test_without_labels_the_page_says_when_there_is_something_to_see():
    page = shown(table_of(rooms(now=NOW)))
    assert "No labels yet" in page
    assert "<table" not in page


def test_the_api_and_the_page_are_at_their_addresses(house):
    paths = {route.path for route in make_control(house, StoredConsole(house)).routes}
    assert {"/accuracy", "/api/accuracy"} <= paths


def test_the_command_prints_a_table_and_what_to_trust(house, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    add_cycle(house, 4)
    told(msgspec.to_builtins(table_of(house)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["cycle", "version", "reading", "accuracy", "95", "%", "interval", "n"]
    assert [line.split()[-6:] for line in lines[1:2]] == [["v4", "naive", "83.3", "%", "-", "60"]]
    assert [line.split()[0] for line in lines[2:4]] == ["audit", "lure"]
    told_of = {line.partition(",")[0]: line for line in lines[-3:]}
    assert told_of["naive"].startswith("naive, all labels as if drawn at random: for nothing but a comparison")
    assert told_of["audit"].startswith("audit, the random share alone: for any decision")
    assert told_of["lure"].startswith("lure, all labels, weighed by their odds: cannot be told")
    assert max(map(len, lines[:-3])) <= 80


@pytest.mark.service
def test_the_command_asks_a_loop_that_is_not_running(tmp_path, described):
    described(tmp_path)
    nothing = loopline("accuracy", cwd=tmp_path)
    assert nothing == f"{NONE}\n"
    stored = SqlLedger(open_database(f"sqlite:///{tmp_path / FOLDER / 'state.db'}"))
    chosen, labels = cycle_of(1)
    stored.commit(make.entry("cycle 1", chosen, labels))
    found = msgspec.json.decode(loopline("accuracy", "--json", cwd=tmp_path), type=AccuracyTable)
    assert found.latest.lure.n == 60
    assert "naive      83.3 %" in loopline("accuracy", cwd=tmp_path)


def loopline(*words: str, cwd: Path) -> str:
    plain = os.environ | {"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
    command = [sys.executable, "-m", "loopline", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True, env=plain, timeout=60).stdout
