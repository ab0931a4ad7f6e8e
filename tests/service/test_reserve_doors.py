"""Every door by which a sealed sample could come out, tried on a loop whose sealed texts can be told by a word."""

import inspect
import json
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.service.live import until
from tests.service.sealed_loop import OPEN, WORD, Ask, SealedLoop, asker, lived

from loopline.adapters.sql.database import open_database, reading, writing
from loopline.adapters.subprocess.launcher import SubprocessLauncher
from loopline.apps.export.exporting import FORMATS, Format, export
from loopline.apps.notebook.library import Library
from loopline.apps.notebook.loop import Loop
from loopline.apps.worker.dataset import Dataset
from loopline.dataset import stage as dataset
from loopline.errors import Conflict
from loopline.ports.engine import Engine
from loopline.ports.launcher import Launcher
from loopline.ports.object_store import ObjectStore
from loopline.ports.prediction_log import Pool, ReserveRow, Scores
from loopline.records.dataset import DatasetVersion
from loopline.records.ids import CommandId, RunId
from loopline.records.label import Label, LabelBatch
from loopline.records.lineage import Entry
from loopline.records.model import ModelVersion
from loopline.records.prediction import Prediction
from loopline.records.reserve import Membership
from loopline.records.selection import Selection
from loopline.records.task import Task
from loopline.select import stage as select
from loopline.testing import factories as one
from loopline.testing.factories import LOOP
from loopline.testing.pool import sift
from loopline.train import stage as train

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedLoop]:
    with lived(tmp_path_factory.mktemp("sealed")) as found:
        yield found


@pytest.fixture(scope="module")
def ask(loop: SealedLoop) -> Ask:
    return asker(loop)


def test_there_is_something_to_find(loop: SealedLoop):
    spelled = [json.loads(row.inputs) for row in loop.sealed]
    assert len(spelled) > 100
    assert all(WORD in one_ for one_ in spelled)
    assert any(one_.endswith("!") for one_ in spelled)
    assert len(loop.labelled) >= 30
    assert {task.stratum for task in loop.tasks} == {"chosen", "audit", "reserve", "gold"}
    assert [segment.rows > 100 for segment in loop.house.manifest.segments(LOOP)] == [True]
    assert any(version.cycle == 1 for version in loop.ledger.all(DatasetVersion, LOOP))
    assert loop.tells(f"a {WORD.upper()}")
    assert loop.tells(loop.labelled[0].content)


# Select and train


def test_the_pool_gives_no_sealed_row_by_window_position_or_survey(loop: SealedLoop):
    log, end = loop.house.log, loop.house.log.end()
    found = [log.rows(after=0, until=end), log.at([row.position for row in loop.sealed]), log.at(range(end + 9))]
    for reads in ("margin", "entropy", "top", ""):
        passed = sift(reads, most=end, name=f"doors-{reads}.v1")
        sketches = list(log.survey(passed, after=0, until=end))
        keys = {int(row.content[:16], 16) for row in loop.sealed}
        assert not keys & {key for sketch in sketches for key in sketch.content.tolist()}
        found += [sketch.rows for sketch in sketches]
    assert sum(len(rows.id) for rows in found) > 1_000
    for rows in found:
        assert all(OPEN.encode() in inputs for inputs in rows.inputs)
        assert loop.tells(" ".join([*rows.id, *rows.content])) == []
    assert len(found[1].id) == 0


def test_what_a_pass_keeps_on_the_disk_holds_no_sealed_row(loop: SealedLoop):
    assert list(loop.house.log.survey(sift(name="kept.v1"), after=0, until=loop.house.log.end()))
    kept = [path for path in (loop.folder / ".loopline" / "log" / "sketches").rglob("*") if path.is_file()]
    assert any(OPEN.encode() in path.read_bytes() for path in kept)
    for path in kept:
        assert loop.tells(path.read_bytes().decode("latin-1")) == [], path


SEALED = (ReserveRow, Prediction, Scores, Task, Label, LabelBatch)
"""What can hold a sealed sample, or what was said about one."""
OPEN_PORTS: dict[Any, frozenset[type]] = {
    select.select: frozenset({Pool}),
    train.plan: frozenset({ObjectStore}),
    train.collect: frozenset({Launcher, ObjectStore, Engine}),
}
"""The recipes of select and train, and the ports that each is handed."""


@pytest.mark.parametrize("recipe", OPEN_PORTS, ids=lambda recipe: recipe.__name__)
def test_no_port_of_select_and_train_returns_what_may_be_sealed(recipe: Any):
    hints = typing.get_type_hints(recipe)
    ports = {kind for hint in hints.values() for kind in mentioned(hint) if getattr(kind, "_is_protocol", False)}
    assert ports == OPEN_PORTS[recipe]
    given = {kind for port in ports for name in methods(port) for kind in returned(getattr(port, name))}
    given |= {kind for name, hint in hints.items() if name != "return" for kind in mentioned(hint)}
    assert not given & set(SEALED)


def methods(port: type) -> list[str]:
    return [name for name, value in vars(port).items() if inspect.isfunction(value) and not name.startswith("_")]


def returned(method: Any) -> set[type]:
    return mentioned(typing.get_type_hints(method).get("return"))


def mentioned(hint: Any) -> set[type]:
    """The classes in a type, those of its fields among them."""
    open_, found = [hint], set[Any]()
    while open_:
        one_ = open_.pop()
        if one_ in found if isinstance(one_, type) else False:
            continue
        if isinstance(one_, type):
            found.add(one_)
            if issubclass(one_, msgspec.Struct) or hasattr(one_, "_fields"):
                open_ += typing.get_type_hints(one_).values()
        for argument in typing.get_args(one_):
            open_ += argument if isinstance(argument, list) else [argument]
    return found


@pytest.mark.parametrize("stage", ["select", "train"])
def test_no_file_of_select_and_train_names_a_port_that_may(stage: str):
    folder = Path(inspect.getfile({"select": select, "train": train}[stage])).parent
    words = r"\b(ReserveLog|ReserveRow|ScoreLog|PredictionLog|Ledger|TaskQueue|AnswerBook|RoleBook|OutcomeBook)\b"
    assert not [path.name for path in folder.rglob("*.py") if re.search(words, path.read_text())]


def test_no_selection_task_or_training_row_is_a_sealed_sample(loop: SealedLoop):
    chosen = [c for selection in loop.ledger.all(Selection, LOOP) for c in selection.candidates]
    assert chosen
    assert loop.tells(" ".join(f"{c.prediction} {c.content}" for c in chosen)) == []
    for task in loop.tasks:
        assert (WORD.encode() in task.inputs) == (task.stratum == "reserve")
    for version in loop.ledger.all(DatasetVersion, LOOP):
        rows = dataset.rows_of(version, objects=loop.objects)
        assert loop.tells(" ".join(map(str, rows.to_pylist()))) == []
    for model in loop.ledger.all(ModelVersion, LOOP):
        assert WORD.encode() not in loop.objects.get(model.artifact)
        assert WORD.encode() not in loop.objects.get(model.checks)


def test_the_trainer_is_given_nothing_sealed_and_finds_nothing_in_its_folder(loop: SealedLoop, tmp_path: Path):
    version = loop.ledger.all(DatasetVersion, LOOP)[-1]
    cycle = one.cycle(version.cycle, loop=LOOP)
    spec = train.plan(cycle, dataset=version, objects=loop.objects, settings=loop.house.settings, attempt=9)
    launcher = SubprocessLauncher(tmp_path / "runs")
    launcher.submit(spec)
    until(lambda: launcher.poll(RunId(spec.id)).phase != "running")
    assert launcher.poll(RunId(spec.id)).phase == "succeeded", launcher.poll(RunId(spec.id)).log_tail
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert {"spec.json", "log.txt", "model", "checks.json"} <= {path.name for path in files}
    assert OPEN in "".join(path.read_text(errors="replace") for path in files if path.name == "log.txt")
    for path in [*files, Path(spec.dataset_file)]:
        assert loop.tells(path.read_bytes().decode("latin-1")) == [], path.name


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_holds_nothing_sealed(loop: SealedLoop, tmp_path: Path, form: Format):
    library = Library(loop.house)
    for version in library.versions:
        to = tmp_path / form / version.name
        export(library, version, to=to, form=form, payloads="reference", progress=lambda done, rows: None)
        files = [path for path in to.rglob("*") if path.is_file()]
        assert files
        for path in files:
            assert loop.tells(path.read_bytes().decode("latin-1")) == [], path.name
            if path.suffix == ".parquet":
                assert loop.tells(str(pq.read_table(path).to_pylist())) == []


def test_a_notebook_sees_nothing_sealed(loop: SealedLoop):
    notebook = Loop.open(loop.folder / "loop.toml")
    assert loop.tells(str(notebook.predictions(rows=100_000).to_pylist())) == []
    assert notebook.predictions("SELECT * FROM reserve_counts").num_rows
    for version in notebook.datasets():
        rows = notebook.dataset(version.name)
        told = [str(rows.to_arrow().to_pylist()), str(rows.to_numpy()[0].tolist()), repr(rows.rows), repr(rows)]
        assert loop.tells(" ".join([*told, repr(version), repr(notebook)])) == []


@pytest.mark.parametrize("kind", [Loop, Dataset])
def test_nothing_in_a_notebook_is_declared_to_return_what_may_be_sealed(kind: type):
    for name, member in vars(kind).items():
        if not name.startswith("_"):
            called = (
                getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", member)
            )
            if inspect.isfunction(called):
                assert not returned(called) & set(SEALED), name


# The database


def test_the_database_knows_both_sides_and_they_share_nothing(loop: SealedLoop):
    roles = loop.house.roles
    judges, learned = roles.reserved(LOOP), roles.selected(LOOP)
    asked = {task.content for task in loop.tasks if task.stratum == "reserve"}
    assert judges == asked | {one.digest(row.inputs) for row in loop.house.anchor()}
    assert learned == {c.content for s in loop.ledger.all(Selection, LOOP) for c in s.candidates}
    members = roles.members(LOOP, version=1)
    assert members
    assert members <= learned
    assert not judges & learned


def test_the_database_refuses_a_sealed_sample_from_the_ledger_and_in_plain_sql(loop: SealedLoop):
    sealed = next(task for task in loop.tasks if task.stratum == "reserve")
    picked = one.selection(one.candidate(sealed.sample, content=sealed.content), id="forced", loop=LOOP)
    learned = Membership(loop=LOOP, version=99, added=(sealed.content,))
    for entry in (Entry(id=CommandId("forced"), records=(picked,)), Entry(id=CommandId("forced"), members=learned)):
        with pytest.raises(Conflict, match="what judges a model is never learned"):
            loop.ledger.commit(entry)
    engine = open_database(f"sqlite:///{loop.house.root / 'state.db'}")
    for table in ("selection_member (loop, selection, content) VALUES (:l, 'x', :c)",
                  "dataset_member (loop, content, since) VALUES (:l, :c, 99)"):  # fmt: skip
        with pytest.raises(DBAPIError), writing(engine) as connection:
            connection.execute(text(f"INSERT INTO {table}"), {"l": LOOP, "c": sealed.content})
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM dataset_member WHERE since = 99")).scalar() == 0
    engine.dispose()


# Queries and the tail

ROUND_ABOUT = [
    "SELECT * FROM predictions",
    "SELECT * FROM sentiment",
    "SELECT * FROM outcomes ORDER BY prediction",
    f"SELECT count(*) FROM outcomes WHERE label = '{WORD}' OR label LIKE '%z%'",
    "SELECT * FROM reserve_counts",
    "SELECT position, id, content, decode(inputs), embedding, payload, group_key FROM predictions ORDER BY ALL DESC",
    f"SELECT * FROM predictions WHERE input LIKE '%{WORD}%'",
    f"SELECT count(*) FROM predictions WHERE contains(decode(inputs), '{WORD}') OR contains(group_key, '{WORD}')",
    "SELECT min(id), max(id), min(content), max(content), min(input), max(input), max(inputs) FROM predictions",
    f"SELECT CASE WHEN input LIKE '%{WORD}%' THEN error(input) END FROM predictions",
    f"SELECT CAST(input AS INT) FROM predictions WHERE input LIKE '%{WORD}%'",
    "SELECT string_agg(input, ',') FROM predictions",
    "WITH RECURSIVE r AS (SELECT * FROM predictions UNION SELECT * FROM r) SELECT * FROM r",
    "SELECT * FROM (DESCRIBE predictions)",
    "SUMMARIZE predictions",
    "SELECT * FROM predictions AS p POSITIONAL JOIN outcomes AS o",
    "SELECT p.* FROM predictions p, LATERAL (SELECT * FROM predictions q WHERE q.position <> p.position LIMIT 1) AS q",
    "SELECT list(content), histogram(label), approx_top_k(input, 9) FROM predictions",
    "SELECT * FROM predictions AT (VERSION => 1)",
    "SELECT * FROM predictions TABLESAMPLE 50%",
    "SELECT * FROM _tail", "SELECT * FROM _sealed_tail", "SELECT * FROM _reported", 'SELECT * FROM "_tail"',
    "SELECT * FROM main.predictions", "SELECT * FROM memory.main._tail", "SELECT rowid FROM predictions",
    "SELECT * FROM information_schema.tables", "SELECT * FROM duckdb_views()", "SELECT sql FROM sqlite_master",
    "SELECT * FROM duckdb_columns()", "SELECT * FROM pragma_table_info('predictions')",
    "SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('_tail')", "SELECT getvariable('x')",
    "SELECT * FROM glob('**')", "SELECT * FROM read_text('.loopline/secret')", "SELECT * FROM read_blob('*')",
    "COPY predictions TO 'out.csv'", "ATTACH '.loopline/state.db'", "EXPLAIN ANALYZE SELECT * FROM predictions",
    "SELECT * FROM sqlite_scan('.loopline/state.db', 'task')", "INSTALL sqlite", "SET enable_external_access = true",
]  # fmt: skip


def test_no_query_brings_a_sealed_row(loop: SealedLoop, ask: Ask):
    parts = loop.house.log.parts()
    files = [f"SELECT * FROM {read}('{path}')" for path in parts.files for read in ("read_parquet", "parquet_metadata")]
    files += [f"SELECT * FROM '{path}'" for path in (*parts.files, loop.house.root / "log" / "spool.db")]
    answered = 0
    for sql in [*ROUND_ABOUT, *files]:
        answer = ask("POST", "/api/query", json={"sql": sql, "limit": 100_000})
        answered += answer.status_code == 200
        assert answer.status_code in (200, 400), (sql, answer.text)
        assert loop.tells(answer.text, asked=WORD if WORD in sql else "") == [], sql
        if answer.status_code == 200 and WORD in sql:
            assert answer.json()["rows"] in ([], [[0]]), sql
    assert answered >= 10


def test_counts_are_all_that_a_query_tells_of_the_reserve(loop: SealedLoop, ask: Ask):
    def one_number(sql: str) -> int:
        return int(ask("POST", "/api/query", json={"sql": sql}).json()["rows"][0][0])

    assert one_number("SELECT sum(rows) FROM reserve_counts") >= len(loop.sealed)
    seen = one_number("SELECT count(*) FROM predictions")
    assert seen + one_number("SELECT sum(rows) FROM reserve_counts") == loop.house.log.end()


def test_the_tail_leaves_the_reserve_out(loop: SealedLoop, ask: Ask):
    after, rows = 0, 0
    while after < loop.house.log.end():
        answer = ask("GET", "/api/tail", params={"after": after, "most": 1_000})
        assert loop.tells(answer.text) == []
        after, rows = answer.json()["until"], rows + len(answer.json()["rows"])
    assert rows > 300


@pytest.mark.parametrize(
    "arguments", [["query", "FROM predictions", "--format", "json"], ["tail", "--reader", "doors"]]
)
def test_the_command_line_prints_nothing_sealed(loop: SealedLoop, arguments: list[str]):
    command = [sys.executable, "-m", "loopline", *arguments, "--loop", loop.folder / "loop.toml"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert OPEN in said.stdout
    assert loop.tells(said.stdout + said.stderr) == []
