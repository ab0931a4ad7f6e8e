"""``loopline select --what-if`` and ``loopline replay`` as a person meets them, with a server and without."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from loopline.apps.cli import selecting
from loopline.apps.config import load_settings
from loopline.apps.http.resources import resource_routes
from loopline.apps.http.selections import selection_routes
from loopline.apps.http.trouble import no_troubles
from loopline.apps.wiring import FOLDER, open_house
from loopline.errors import Conflict, InvalidRecord, LooplineError
from loopline.testing import factories as make
from loopline.testing.choosing import ROWS, choose, logged
from loopline.testing.rooms import Rooms, StoredConsole, rooms

pytestmark = pytest.mark.service

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
COMMANDS = typer.Typer()
COMMANDS.command()(selecting.select)
COMMANDS.command()(selecting.replay)
Says = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, described, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(described(tmp_path))
    return tmp_path


@pytest.fixture
def own(folder: Path) -> Path:
    """A folder whose loop has chosen once, and which nobody serves."""
    house = open_house(load_settings(folder / "loop.toml"), root=folder / FOLDER)
    house.log.append([logged(row, at=NOW) for row in range(ROWS)])
    choose(house, now=NOW)
    house.log.close()
    return folder


@pytest.fixture
def memory() -> Rooms:
    """What the server of ``served`` serves; nothing has been chosen in it yet."""
    house = rooms(now=NOW)
    house.log.append([logged(row, at=NOW) for row in range(ROWS)])
    return house


@pytest.fixture
def served(memory: Rooms, folder: Path, serving) -> Iterator[Rooms]:
    """A server that holds the folder."""
    console = StoredConsole(memory)
    routes = [*selection_routes(memory, console), *resource_routes(memory, console, troubles=no_troubles)]
    with serving(folder, routes):
        yield memory


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(COMMANDS, words)


def says(*words: str) -> str:
    """What a command that leaves with 0 prints."""
    result = run(*words)
    assert (result.exit_code, result.exception) == (0, None)
    return result.stdout


def refusal(*words: str) -> LooplineError:
    error = run(*words).exception
    assert isinstance(error, LooplineError)
    return error


@pytest.mark.usefixtures("own")
def test_without_a_server_a_batch_is_held_against_another_and_against_chance():
    told = says("select", "--what-if", "strategy=margin.v1", "budget=12")
    lines = told.splitlines()
    assert lines[0].startswith("margin.v1 with a budget of 12 asks about 11 samples, ")
    assert lines[1].split() == ["cycle", "1", "as", "it", "was", "what", "if", "by", "chance"]
    table = {name: sides for name, *sides in (re.split(r" {2,}", line) for line in lines[2:9])}
    assert table["strategy"] == ["cluster-margin.v1", "margin.v1", "random.v1"]
    assert table["samples"][1:] == ["11 of 12", "12 of 12"]
    assert table["labelling time"] == ["-", "-", "-"]
    assert "time: nobody has answered yet; nothing was stored" in lines
    answer = json.loads(says("select", "--what-if", "strategy=margin.v1", "budget=12", "--json"))
    named = [line for line in lines if line.startswith("  p")]
    assert len(named) == len(answer["only_stored"]) + len(answer["only_imagined"])
    assert f"only what if: {answer['imagined']['samples'] - answer['both']} samples" in lines


@pytest.mark.usefixtures("own")
def test_without_a_server_a_selection_comes_out_again():
    assert "samples again, byte for byte" in says("replay", "cycle-1")
    assert json.loads(says("replay", "1", "--json"))["is_same"] is True
    assert says("replay", "cycle-1") == says("replay", "cycle-1", "--threads", "2", "--shards", "16")


@pytest.mark.usefixtures("own")
def test_the_last_cycle_that_chose_is_taken_and_any_other_can_be_named():
    last = says("select", "--what-if", "budget=5", "--json")
    assert json.loads(last)["cycle"] == 1
    assert last == says("select", "--what-if", "budget=5", "--cycle", "cycle-1", "--json")
    assert str(refusal("select", "--what-if", "--cycle", "2")) == "no selection of 'cycle-2'; known: cycle-1"


def test_a_running_server_answers_the_same(served):
    choose(served, now=NOW)
    assert json.loads(says("select", "--what-if", "budget=5", "--json"))["imagined"]["budget"] == 5
    assert "byte for byte" in says("replay", "cycle-1")
    assert str(refusal("replay", "cycle-7")) == "no cycle '7'; known: 2, 1"


@pytest.mark.usefixtures("served")
def test_before_anything_was_chosen_that_is_said():
    error = refusal("select", "--what-if")
    assert isinstance(error, Conflict)
    assert str(error) == (
        "what-if: no cycle has chosen anything yet, expected a cycle with a selection; "
        "loopline status says when the next one is due"
    )


def test_a_batch_that_does_not_come_out_again_leaves_with_one(served):
    choose(served, now=NOW, pool_rows=5_000, unscored=7)
    result = run("replay", "cycle-1")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert result.stdout.startswith(
        "cycle-1 does not come out again: of the 5,000 rows that cycle-1 chose from, the log gives 240 now; rows are"
    )
    assert json.loads(run("replay", "cycle-1", "--json").stdout)["is_same"] is False
    told = says("select", "--what-if").splitlines()
    assert told[1].startswith("of the 5,000 rows that cycle-1 chose from, the log gives 240 now")


def test_what_is_missing_and_new_is_listed(served):
    selection = choose(served, now=NOW)
    without = make.selection(*selection.candidates[1:], cycle=2, id="cycle-2", budget=24, seed=5, until=240)
    cycle = make.cycle(2, phase="published", until=ROWS, budget=24, seed=5)
    served.ledger.commit(make.entry("again", without, cycle))
    told = run("replay", "cycle-2").stdout.splitlines()
    assert told[0].startswith("cycle-2 does not come out again: ")
    assert {line.split(": ")[0] for line in told[1:]} == {"missing", "new"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("select",), "select: no --what-if, expected --what-if; a loop selects by itself when a cycle opens"),
        (("select", "--what-if", "strategy"), "what-if: 'strategy', expected strategy=NAME or budget=N"),
        (("select", "--what-if", "seed=3"), "what-if: 'seed=3', expected strategy=NAME or budget=N"),
        (("select", "--what-if", "budget=many"), "budget: 'many', expected a whole number from 1"),
        (("select", "--what-if", "budget=-1"), "budget: '-1', expected a whole number from 1"),
        (("select", "--what-if", "--cycle", "x"), "cycle: 'x', expected a cycle such as cycle-7"),
        (("replay", "v2"), "cycle: 'v2', expected a cycle such as cycle-7"),
    ],
)
@pytest.mark.usefixtures("own")
def test_what_cannot_be_asked_is_said_at_once(words, sentence):
    error = refusal(*words)
    assert isinstance(error, InvalidRecord)
    assert str(error).startswith(sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [("budget=0", "budget: 0, expected 1 to 10,000 samples"), ("strategy=nope", "no strategy 'nope'; known: badge.v1"),
     ("budget=1000000000", "budget: 1,000,000,000, expected 1 to 10,000 samples")],
)  # fmt: skip
def test_what_the_loop_refuses_is_told_in_its_own_words(served, change, sentence):
    choose(served, now=NOW)
    assert str(refusal("select", "--what-if", change)).startswith(sentence)


def test_the_commands_cost_nothing_to_look_up():
    heavy = "{'numpy', 'litestar', 'rich.table', 'duckdb', 'faiss'} & set(sys.modules)"
    code = f"import sys; from loopline.apps.cli import selecting; print({heavy})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"
