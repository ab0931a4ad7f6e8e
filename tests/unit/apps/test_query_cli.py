"""``loopline query`` and ``loopline tail`` as a person meets them, against a server that holds the loop's folder."""

import csv
import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from loopline.apps.cli import query as commands
from loopline.apps.cli.query import spelled
from loopline.apps.http.queries import query_routes
from loopline.errors import InvalidRecord, LooplineError, NotFound, Unavailable
from loopline.testing import factories as make
from loopline.testing.study import Study

pytestmark = pytest.mark.service

COMMANDS = typer.Typer()
COMMANDS.command()(commands.query)
COMMANDS.command()(commands.tail)


@pytest.fixture
def study() -> Study:
    made = Study()
    made.log.append(
        [make.prediction(f"p{i}", f"text {i}", role="reserve" if i % 5 == 0 else "loop") for i in range(20)]
    )
    return made


@pytest.fixture
def folder(tmp_path: Path, described, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(described(tmp_path))
    return tmp_path


@pytest.fixture
def served(study: Study, folder: Path, serving) -> Iterator[Study]:
    """A server that holds the folder."""
    with serving(folder, query_routes(study)):
        yield study


def loopline(*words: str) -> Result:
    return CliRunner().invoke(COMMANDS, list(words))


def refused(result: Result, kind: type[LooplineError] = LooplineError) -> str:
    """The sentence that ``main`` prints before it leaves with code 2."""
    assert isinstance(result.exception, kind)
    return str(result.exception)


def test_a_table_for_people(served):
    done = loopline("query", "SELECT model, count(*) AS n, avg(margin) AS margin FROM predictions GROUP BY model")
    assert done.exit_code == 0, done.exception
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["model", "n", "margin"], ["v1", "16", "0.500"], ["1", "row"]
    ]  # fmt: skip


def test_the_other_formats_are_for_programs(served, folder):
    sql = "SELECT id, probabilities, inputs FROM predictions ORDER BY id LIMIT 2"
    listed = json.loads(loopline("query", sql, "--format", "json").stdout)
    assert listed[0] == {"id": "p1", "probabilities": [0.1, 0.2, 0.7], "inputs": '"text 1"'}
    lines = list(csv.reader(io.StringIO(loopline("query", sql, "--format", "csv").stdout)))
    assert lines[:2] == [["id", "probabilities", "inputs"], ["p1", "[0.1,0.2,0.7]", '"text 1"']]
    done = loopline("query", sql, "--output", "answer.parquet")
    assert (done.exit_code, done.stdout) == (0, "")
    assert pq.read_table(folder / "answer.parquet")["id"].to_pylist() == ["p1", "p11"]
    done = loopline("query", sql, "--output", "answer.csv")
    assert (folder / "answer.csv").read_text().startswith('"id","probabilities","inputs"\n')


def test_parquet_is_not_for_terminals(monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(InvalidRecord) as raised:
        commands._require_place("parquet", None)
    assert str(raised.value) == "parquet: a terminal, expected a file; add --output answer.parquet, or redirect"
    commands._require_place("parquet", Path("answer.parquet"))
    commands._require_place("csv", None)


def test_an_answer_that_was_cut_says_so_beside_the_rows(served):
    done = loopline("query", "SELECT id FROM predictions", "--format", "csv", "--limit", "3")
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == "cut at 3 rows; --limit asks for more\n"


def test_ready_questions_are_listed_and_asked(served):
    assert "uncertain  Where is the model least sure?" in loopline("query", "--list").stdout
    assert json.loads(loopline("query", "--ask", "versions", "--format", "json").stdout)[0]["predictions"] == 16
    assert refused(loopline("query", "--ask", "nothing"), NotFound).startswith(
        "no question 'nothing'; known: uncertain"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "query: no query, expected one; --list shows the ready ones"),
        (("SELECT 1", "--ask", "volume"), "query: both a query and --ask, expected one; --list shows the ready ones"),
        (("SELECT 1", "--timeout", "soon"), 'timeout: \'soon\', expected a duration such as "30s" or "2m"'),
        (("DROP TABLE predictions",), "query: a statement that begins with DROP, expected one SELECT"),
        (("FROM 'loop.toml'",), "query: the table 'loop.toml', expected one of outcomes, predictions, reserve_counts"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(served, words, sentence):
    assert refused(loopline("query", *words)).startswith(sentence)


def test_the_answer_comes_in_one_piece_of_text_whatever_it_holds():
    table = pa.table({"t": ["a\nb\x1b[31m", None], "n": [1e-9, float("nan")], "b": [b"\xff\xfe", b"x"]})
    drawn = spelled(table, "table").decode()
    assert "\x1b" not in drawn
    assert drawn.count("\n") == 4
    assert json.loads(spelled(table, "json"))[0] == {"t": "a\nb\x1b[31m", "n": 1e-9, "b": "//4="}


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.exception
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


def test_a_reader_gets_every_row_of_the_loop_once(served):
    assert ids(loopline("tail", "--reader", "mirror", "--most", "3")) == ["p1", "p2", "p3"]
    assert ids(loopline("tail", "--reader", "mirror"))[:2] == ["p4", "p6"]
    assert ids(loopline("tail", "--reader", "mirror")) == []
    served.log.append([make.prediction("new", "text 21"), make.prediction("sealed", "secret", role="reserve")])
    done = loopline("tail", "--reader", "mirror")
    assert "secret" not in done.stdout
    assert ids(done) == ["new"]
    assert served.offsets.read("tail:mirror", loop=make.LOOP) == 22


def test_without_a_reader_the_last_rows_are_shown(served):
    assert ids(loopline("tail")) == [f"p{i}" for i in (8, 9, 11, 12, 13, 14, 16, 17, 18, 19)]
    assert ids(loopline("tail", "--most", "2")) == ["p18", "p19"]


def test_an_offset_stays_when_the_lines_could_not_be_written(served, monkeypatch):
    def refuse(_: str) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(sys.stdout, "write", refuse)
        with pytest.raises(OSError, match="No space"):
            commands.tail(reader="mirror", follow=False, most=0, loop=Path("loop.toml"))
    assert served.offsets.read("tail:mirror", loop=make.LOOP) == 0
    assert ids(loopline("tail", "--reader", "mirror"))[0] == "p1"


def test_who_follows_gets_what_comes_later(served):
    results: list[Result] = []
    words = ("tail", "--reader", "mirror", "--follow", "--most", "17")
    follower = threading.Thread(target=lambda: results.append(loopline(*words)))
    follower.start()
    while served.offsets.read("tail:mirror", loop=make.LOOP) < 20:
        assert follower.is_alive()
        time.sleep(0.02)
    served.log.append([make.prediction("late", "text 21")])
    follower.join(timeout=30)
    assert ids(results[0])[-1] == "late"


def test_following_needs_a_server(folder):
    sentence = "loop: no server runs on this folder, so nothing new comes; start it: loopline up"
    assert refused(loopline("tail", "--follow"), Unavailable) == sentence
