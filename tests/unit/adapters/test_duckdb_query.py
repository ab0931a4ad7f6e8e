"""Queries over a log with a reserve: what they find, what they may take, and that nothing reaches what is sealed."""

import threading
from datetime import timedelta
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopline.adapters.duckdb.formats import csv, distinct, encoded, parquet, rows
from loopline.adapters.duckdb.query import MOST_BYTES, Answer, Limits, _walled, run
from loopline.adapters.duckdb.questions import QUESTIONS, SCHEMA, question
from loopline.adapters.duckdb.views import OPEN, OUTCOME_SCHEMA, Source, raise_views, spelled
from loopline.adapters.duckdb.wall import check
from loopline.adapters.spool.batch import record_batch
from loopline.errors import InvalidRecord, NotFound, Unavailable
from loopline.testing import factories as make

SECRET = "CANARY"
"""In every text of a reserve row: an answer or an error that holds it has reached the reserve."""
VIEWS = frozenset({"predictions", "mood", "outcomes", "reserve_counts"})
PLENTY = Limits(rows=10_000, seconds=20.0)


def tables(first: int, last: int) -> pa.Table:
    """Rows ``first`` to ``last - 1``, every tenth of them sealed and full of the secret."""
    predictions = []
    for i in range(first, last):
        is_sealed = i % 10 == 0
        word = f"{SECRET}-{i}" if is_sealed else f"plain {i}"
        predictions.append(
            make.prediction(
                f"p{i}", word, role="reserve" if is_sealed else "loop", group=word,
                label=word if is_sealed else "neutral",
                content=make.digest(word.encode()), reason=word, trace=word, payload=word, segment=word, failure="",
                at=make.NOW + timedelta(seconds=i), model="v1" if i < 250 else "v2", margin=i / 1_000,
                embedding=(b"\x00\x00\x80\x3f" if is_sealed else b"\x00\x00\x00\x00"),
            )
        )  # fmt: skip
    table = pa.Table.from_batches([record_batch(predictions)])
    return table.append_column("position", pa.array(range(first + 1, last + 1), pa.int64()))


def segment(first: int, last: int) -> pa.Table:
    """The same rows as a file has them: each with its place in it."""
    return (
        tables(first, last)
        .drop_columns(["position"])
        .append_column("offset", pa.array(range(last - first), pa.int32()))
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Two sealed files; the older one lacks a column that came later."""
    folder = tmp_path_factory.mktemp("segments")
    pq.write_table(segment(0, 200).drop_columns(["trace", "segment"]), folder / "a.parquet", row_group_size=50)
    pq.write_table(segment(200, 400), folder / "b.parquet", row_group_size=50)
    return folder / "a.parquet", folder / "b.parquet"


@pytest.fixture(scope="module")
def outcomes() -> pa.Table:
    """What was reported about one sealed row, two others (of one twice), and one that nobody has seen."""
    found = [("o1", "p10", SECRET), ("o2", "p11", "neutral"), ("o3", "p11", "positive"), ("o4", "p401", "neutral")]
    found.append(("o5", "p9999", SECRET))
    columns = [(i, id_, p, label, 0, "shop") for i, (id_, p, label) in enumerate(found, start=1)]
    return pa.table(list(map(pa.array, zip(*columns, strict=True))), schema=OUTCOME_SCHEMA)


@pytest.fixture
def ask(files, outcomes):
    def ask(sql: str, limits: Limits = PLENTY) -> Answer:
        return run(sql, Source(files, tables(400, 420), (1, 201), outcomes), limits=limits, loop="mood")

    return ask


def refusal(act, sql: str, **limits: object) -> str:
    with pytest.raises(InvalidRecord) as raised:
        act(sql, **limits)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_files_and_tail_are_one_view_without_the_reserve(ask):
    found = ask("SELECT count(*), min(id), max(time) - min(time) FROM predictions").table.to_pylist()[0]
    assert found["count_star()"] == 420 - 42
    assert ask("SELECT count(*) AS n FROM mood").table["n"].to_pylist() == [378]
    assert ask("SELECT count(*) AS n FROM predictions WHERE id IN ('p0', 'p400')").table["n"].to_pylist() == [0]
    wanted = "input, inputs, time, group_key, trace, segment"
    first = ask(f"SELECT {wanted} FROM predictions ORDER BY time LIMIT 1").table.to_pylist()
    assert first == [
        {"input": "plain 1", "inputs": b'"plain 1"', "time": make.NOW + timedelta(seconds=1), "group_key": "plain 1",
         "trace": None, "segment": None}
    ]  # fmt: skip
    places = ask("SELECT position, id FROM predictions ORDER BY position").table.to_pylist()
    assert places == [{"position": i + 1, "id": f"p{i}"} for i in range(420) if i % 10]
    assert ask("SELECT trace || segment AS t FROM mood WHERE id = 'p201'").table["t"].to_pylist() == ["plain 201" * 2]


def test_the_columns_are_those_that_are_explained(ask):
    for view, columns in SCHEMA.items():
        found = ask(f"DESCRIBE {view}").table["column_name"].to_pylist()
        assert sorted(found) == sorted(column.name for column in columns)


def test_the_reserve_is_counted_and_no_more(ask):
    found = ask("SELECT * FROM reserve_counts").table.to_pylist()
    assert [(row["model"], row["rows"]) for row in found] == [("v1", 25), ("v2", 17)]
    assert set(found[0]) == {"day", "model", "rows"}


def test_outcomes_of_sealed_and_unknown_rows_are_not_told(ask):
    found = ask("SELECT id, prediction, label FROM outcomes").table.to_pylist()
    assert [(row["id"], row["label"]) for row in found] == [("o2", "neutral"), ("o3", "positive"), ("o4", "neutral")]
    assert refusal(ask, "SELECT label::INT FROM outcomes WHERE label <> 'neutral'").startswith(
        "query: Could not convert string 'positive'"
    )


def test_without_files_the_tail_is_the_log():
    found = run("SELECT count(*) AS n FROM predictions", Source((), tables(0, 20)), limits=PLENTY)
    assert found.table["n"].to_pylist() == [18]
    named = run("SELECT * FROM outcomes", Source((), tables(0, 20)), limits=PLENTY, loop="Outcomes")
    assert named.table.column_names[0] == "position"  # a loop of this name has no view of its own
    empty = run("SELECT * FROM predictions", Source((), tables(0, 0)), limits=PLENTY)
    assert (empty.table.num_rows, empty.is_cut) == (0, False)


@pytest.mark.parametrize("one", QUESTIONS, ids=lambda one: one.name)
def test_every_ready_question_can_be_asked(ask, one):
    answer = ask(one.sql)
    assert answer.table.num_rows > 0 or one.name == "failures"
    assert SECRET not in str(answer.table.to_pylist())


def test_the_labels_question_takes_the_later_of_two_reports(ask):
    found = ask(question("labels").sql).table.to_pylist()
    assert [(row["label"], row["outcomes"], row["right_ones"]) for row in found] == [("neutral", 2, 1)]
    with pytest.raises(NotFound, match="no question 'nothing'; known: uncertain, volume"):
        question("nothing")


HONEST = [
    "WITH a AS (SELECT 1 AS x), b AS (SELECT * FROM a) SELECT * FROM b",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 4) SELECT * FROM t",
    "SELECT row_number() OVER w AS n FROM mood WINDOW w AS (PARTITION BY model ORDER BY time) QUALIFY n < 3",
    "SELECT p.id FROM mood AS p LEFT JOIN outcomes AS o ON o.prediction = p.id WHERE p.time > now() - INTERVAL 1 HOUR",
    "SELECT CASE WHEN margin < 0.1 THEN 'a' END, margin::INT, coalesce(label, '-'), extract(hour FROM time) FROM mood",
    "SUMMARIZE predictions", "TABLE predictions", "FROM predictions SELECT model LIMIT 3", "VALUES (1), (2)",
    "SELECT * EXCLUDE (id) REPLACE (margin * 2 AS margin) FROM predictions",
    "SELECT unnest(probabilities), [x * 2 FOR x IN probabilities] FROM predictions",
    "SELECT EXISTS (SELECT 1 FROM outcomes AS o WHERE o.prediction = p.id) FROM predictions AS p",
    "SELECT model, label, count(*) FROM predictions GROUP BY ROLLUP (model, label)",
    "SELECT * FROM predictions TABLESAMPLE 3 ROWS", "SELECT * FROM range(3), generate_series(1, 2)",
    "SELECT count(*) FILTER (WHERE margin < 0.1), string_agg(id, ',' ORDER BY id) FROM predictions",
    "SELECT id FROM predictions UNION ALL BY NAME SELECT id FROM outcomes EXCEPT SELECT 'p1' AS id -- and so on",
    "SELECT list_cosine_similarity(embedding, [1.0]) FROM predictions;",
]  # fmt: skip


@pytest.mark.parametrize("sql", HONEST)
def test_what_people_write_runs(ask, sql):
    assert SECRET not in str(ask(sql).table.to_pylist())


# Every way that we know to a file, a setting, the catalogue, or more than one statement. PATH is a file that the
# second wall lets the views read, so that each of these is stopped by the first.
TRICKS = [
    "SELECT * FROM read_parquet('PATH')", "SELECT * FROM parquet_scan('PATH')", "FROM 'PATH'", 'FROM "PATH"',
    "SELECT * FROM READ_PARQUET(['PATH'])", "SELECT * FROM main.read_parquet('PATH')",
    "SELECT * FROM system.main.read_parquet('PATH')", "SELECT * FROM predictions, read_parquet('PATH')",
    "SELECT * FROM predictions, LATERAL (SELECT * FROM 'PATH')", "SELECT (SELECT max(inputs) FROM 'PATH')",
    "SELECT * FROM predictions WHERE id IN (SELECT id FROM 'PATH')", "SELECT 1 UNION ALL SELECT 2 FROM 'PATH'",
    "SELECT 1 ORDER BY (SELECT max(id) FROM 'PATH')", "SELECT 1 LIMIT (SELECT count(*) FROM 'PATH')",
    "SELECT sum(1) FILTER (WHERE EXISTS (FROM 'PATH')) FROM predictions", "WITH t AS (FROM 'PATH') SELECT * FROM t",
    'WITH "PATH" AS (SELECT 1) SELECT * FROM "PATH"',
    'SELECT * FROM (WITH "PATH" AS (SELECT 1) SELECT * FROM "PATH") AS a, "PATH" AS b',
    "WITH _tail AS (SELECT 1) SELECT * FROM _tail", "SELECT * FROM _tail", "SELECT * FROM _sealed_tail",
    "SELECT * FROM (WITH sqlite_master AS (SELECT 1) SELECT 1) AS a, sqlite_master",
    "WITH RECURSIVE duckdb_views AS (SELECT sql FROM duckdb_views UNION ALL SELECT 1) SELECT * FROM duckdb_views",
    "SELECT * FROM a, (WITH a AS (SELECT 1) SELECT * FROM a)", "WITH b AS (SELECT * FROM c), c AS (SELECT 1) FROM b",
    "PIVOT predictions ON model USING count(*)", "FROM (PIVOT 'PATH' ON model USING count(*))",
    "FROM predictions PIVOT (count(*) FOR model IN ('v1'))", "UNPIVOT 'PATH' ON id INTO NAME n VALUE v",
    "DESCRIBE 'PATH'", "DESCRIBE SELECT * FROM 'PATH'", "SUMMARIZE 'PATH'", "SHOW TABLES", "SHOW ALL TABLES", "SHOW",
    "DESCRIBE", "SHOW DATABASES", "FROM (DESCRIBE 'PATH')", "FROM (SHOW TABLES)", "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT * FROM 'PATH'", "COPY predictions TO 'out.csv'", "COPY (SELECT 1) TO 'out.csv'",
    "COPY predictions FROM 'PATH'", "ATTACH 'other.db'", "DETACH memory", "USE memory", "INSTALL httpfs",
    "LOAD httpfs", "SET threads = 8", "RESET threads", "SET VARIABLE x = 1", "PRAGMA database_list", "PRAGMA version",
    "CHECKPOINT", "CALL duckdb_settings()", "EXPORT DATABASE 'out'", "IMPORT DATABASE 'out'", "VACUUM", "BEGIN",
    "COMMIT", "CREATE TABLE t AS SELECT 1", "CREATE VIEW v AS FROM 'PATH'", "CREATE MACRO m() AS TABLE FROM 'PATH'",
    "DROP VIEW mood", "INSERT INTO outcomes VALUES (1)", "UPDATE outcomes SET label = 'x'", "DELETE FROM outcomes",
    "PREPARE p AS SELECT 1", "EXECUTE p", "ALTER VIEW mood RENAME TO m", "SELECT 1; SELECT 2",
    "SELECT 1; COPY predictions TO 'out.csv'", ";", "", "-- x", "/* SELECT 1 */", "SELECT 1;; FROM 'PATH'",
    "SELECT 1 /* ; */ ; DROP VIEW mood", "SELECT * FROM query('FROM ''PATH''')",
    "SELECT * FROM query_table('predictions')", "SELECT * FROM identifier('PATH')", "FROM glob('*')",
    "FROM read_csv('PATH')", "FROM read_text('PATH')", "FROM read_blob('PATH')", "FROM read_json('PATH')",
    "FROM sniff_csv('PATH')", "FROM 'x.csv'", "FROM 'https://example.com/x.parquet'", "FROM parquet_metadata('PATH')",
    "FROM parquet_bloom_probe('PATH', 'id', 1)", "FROM duckdb_settings()", "FROM duckdb_views()", "FROM duckdb_views",
    "FROM sqlite_master", "FROM pg_catalog.pg_tables", "FROM information_schema.tables",
    "FROM memory.main.predictions", "FROM main.predictions", "FROM pragma_table_info('mood')",
    "FROM arrow_scan(1, 2, 3)", "FROM python_map_function(1)", "FROM seq_scan('mood')",
    "FROM json_execute_serialized_sql('{}')", "SELECT getenv('HOME')", "SELECT current_setting('allowed_paths')",
    "SELECT getvariable('x')", "SELECT version()", "SELECT stats(inputs) FROM predictions",
    "SELECT pg_get_viewdef(1)", "SELECT current_query()", "SELECT write_log('x')",
    "SELECT main.current_setting('threads')", 'SELECT "current_setting"(\'threads\')',
    "SELECT 'threads'.current_setting()", "SELECT CURRENT_SETTING('threads')",
    "SELECT json_serialize_sql('SELECT 1')", "SELECT sleep_ms(100000)", "SELECT nextval('s')",
    "SELECT repeat('x', 4000000000)", "SELECT lpad('x', 4000000000, 'x')", "SELECT range(1000000000)",
    "SELECT replace(input, 'x', input) FROM predictions", "SELECT printf('%2000000000d', 1)", "SELECT ?", "SELECT $1",
    "SELECT * FROM files", "SELECT * FROM tables", "SELECT * FROM outcomes AT (VERSION => 1)", "FROM \uff50redictions",
    "FROM pred\u0131ctions", "\uff33\uff25\uff2c\uff25\uff23\uff34 1", "SELECT 1\x00; FROM 'PATH'",
    "FROM U&'PATH'", "FROM $$PATH$$",
    "SELECT first(t) FROM 'PATH' AS t", "SELECT COLUMNS(c -> c IN (SELECT id FROM 'PATH')) FROM predictions",
    "SELECT 'x'::regclass", "SELECT * FROM predictions SEMI JOIN 'PATH' USING (id)",
    "SELECT " + "(" * 2_000 + "1" + ")" * 2_000, "SELECT " + "(SELECT " * 300 + "1" + ")" * 300,
    "SELECT 1 -- " + "x" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("sql", TRICKS, ids=lambda sql: sql[:60])
def test_no_trick_gets_through(ask, files, tmp_path, monkeypatch, sql):
    monkeypatch.chdir(tmp_path)
    assert refusal(ask, sql.replace("PATH", str(files[0]))).startswith("query: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sql", [sql for sql in TRICKS if "PATH" in sql], ids=lambda sql: sql[:60])
def test_the_first_wall_stops_every_way_to_an_allowed_file(files, sql):
    assert refusal(check, sql.replace("PATH", str(files[0])), views=VIEWS).startswith("query: ")


FILE_TRICKS = [
    "FROM read_csv('/etc/passwd')", "FROM read_text('/etc/hostname')", "FROM glob('/*')", "FROM 'OTHER'",
    "INSTALL httpfs", "FROM read_parquet('OTHER')", "ATTACH 'new.db'", "COPY (SELECT 1) TO 'new.csv'",
    "COPY (SELECT 1) TO 'PATH'", "LOAD httpfs",
    "SET threads = 8", "SET enable_external_access = true", "SET allowed_paths = ['/etc/passwd']",
    "SET allowed_directories = ['/']", "SET temp_directory = '/tmp'", "RESET enable_external_access", "FROM readable",
    "EXPORT DATABASE 'new'", "SET python_enable_replacements = true", "SET autoload_known_extensions = true",
    "PRAGMA enable_profiling = 'json'; SET profiling_output = 'new.json'", "SET log_query_path = 'new.log'",
]  # fmt: skip


@pytest.mark.parametrize("sql", FILE_TRICKS)
def test_the_second_wall_stands_without_the_first(files, tmp_path, monkeypatch, sql):
    monkeypatch.chdir(tmp_path)
    readable = tables(0, 1)
    assert readable.num_rows == 1  # the engine must not find it by its name
    connection = _walled(files[:1], memory_mb=64)
    connection.execute("SET lock_configuration = true")
    with pytest.raises(duckdb.Error):
        connection.execute(sql.replace("PATH", str(files[0])).replace("OTHER", str(files[1])))
    connection.close()
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_with_is_known_only_where_it_is():
    check("WITH a AS (SELECT 1) SELECT (WITH b AS (FROM a) SELECT 1 FROM b), 2 FROM a", views=VIEWS)
    said = refusal(check, "SELECT * FROM (WITH a AS (SELECT 1) FROM a) AS x, a", views=VIEWS)
    assert said == "query: the table 'a', expected one of mood, outcomes, predictions, reserve_counts"
    assert "the table 'c'" in refusal(check, "WITH b AS (FROM c), c AS (SELECT 1) FROM b", views=VIEWS)
    assert "the table 'a'" in refusal(check, "WITH a AS (FROM a) FROM a", views=VIEWS)
    assert "the table 'a'" in refusal(
        check, "WITH RECURSIVE a AS (FROM a UNION ALL SELECT 1 FROM a) FROM a", views=VIEWS
    )
    said = refusal(check, "WITH sqlite_master AS (SELECT 1) FROM sqlite_master", views=VIEWS)
    assert said.startswith("query: the name 'sqlite_master' after WITH, expected")


def test_what_the_first_wall_does_not_know_it_refuses():
    check(f"SELECT {'+'.join(['1'] * 100)}", views=VIEWS)
    assert "over 600 levels" in refusal(check, f"SELECT {'+'.join(['1'] * 220)}", views=VIEWS)
    assert "deep nesting" in refusal(check, f"SELECT {'+'.join(['1'] * 900)}", views=VIEWS)
    assert refusal(check, "SELECT DEFAULT", views=VIEWS) == "query: DEFAULT, expected a plain SELECT"


def test_the_tail_of_the_reserve_is_not_even_in_the_engine():
    with duckdb.connect() as connection:
        raise_views(connection, Source((), tables(0, 20)))
        assert connection.sql("SELECT DISTINCT role FROM _tail").fetchall() == [("loop",)]
        assert connection.sql("FROM _sealed_tail").columns == ["at_us", "model"]


# Conditions that tell, by an error or by its absence, of any row they are shown. The engine may look at conditions in
# any order; a reserve row is empty before any of them.
PROBES = [
    f"SELECT count(*) AS n FROM predictions WHERE {column} LIKE '%{SECRET}%'"
    for column in ("input", "decode(inputs)", "label", "group_key", "segment", "reason", "trace", "payload", "content")
] + [
    f"SELECT count(*) AS n FROM mood WHERE CASE WHEN {column} LIKE '{SECRET}%' THEN {column}::INT = 1 ELSE false END"
    for column in ("input", "label", "group_key", "reason", "payload")
] + [
    "SELECT count(*) AS n FROM predictions WHERE embedding[1] > 0.5",
    f"SELECT count(*) AS n FROM predictions WHERE to_json(predictions)::VARCHAR LIKE '%{SECRET}%'",
    "SELECT count(*) AS n FROM predictions p JOIN predictions q ON q.input LIKE 'C%' AND p.input = q.input",
]  # fmt: skip


@pytest.mark.parametrize("sql", PROBES)
def test_no_condition_ever_sees_a_reserve_row(ask, sql):
    assert ask(sql).table["n"].to_pylist() == [0]


def test_reserve_rows_are_empty_whatever_the_order_of_the_conditions(files):
    """The view without its own condition: what an optimizer that moved it away would show."""
    with duckdb.connect() as connection:
        stored = connection.sql(f"FROM '{files[1]}'").columns
        view = ", ".join(spelled(stored))
        sealed = connection.sql(f"SELECT {view} FROM '{files[1]}' WHERE role = 'reserve'").to_arrow_table()
        open_rows = connection.sql(f"SELECT {view} FROM '{files[1]}' WHERE role = 'loop'").to_arrow_table()
    shown = {name for name in sealed.column_names if sealed[name].null_count < sealed.num_rows}
    assert sealed.num_rows == 20
    assert shown == {*OPEN, "time"} - {"position", "input", "inputs", "label", "group_key", "segment"}
    assert open_rows["input"].null_count == 0


def test_a_query_is_cut_at_its_rows(ask):
    answer = ask("SELECT id FROM predictions ORDER BY time", Limits(rows=5, seconds=10))
    assert (answer.table["id"].to_pylist(), answer.is_cut) == (["p1", "p2", "p3", "p4", "p5"], True)
    whole = ask("SELECT id FROM predictions LIMIT 5", Limits(rows=5, seconds=10))
    assert (whole.table.num_rows, whole.is_cut) == (5, False)
    large = ask("SELECT range, 'x' || range FROM range(100000000)", Limits(rows=1_000_000_000, seconds=10))
    assert large.is_cut
    assert MOST_BYTES < large.table.nbytes < 2 * MOST_BYTES


def test_a_query_is_stopped_at_its_time_and_its_memory(ask):
    endless = "SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b"
    before = threading.active_count()
    assert refusal(ask, endless, limits=Limits(rows=1, seconds=0.2)) == (
        "query: no answer within 0.2 s, expected a quicker one; "
        "ask about less time or fewer columns, or allow more with --timeout"
    )
    assert threading.active_count() == before
    hungry = "SELECT len(list(range)) FROM range(10000000)"
    assert refusal(ask, hungry, limits=Limits(rows=1, seconds=20, memory_mb=64)) == (
        "query: a need for over 64 MB, expected less; aggregate, or ask for fewer rows"
    )


SENTENCES = {
    "SELECT margn FROM mood": "query: no column 'margn', expected one that its tables have; "
    "nearest: margin, arm, reason",
    "SELECT cuont(*) FROM mood": "query: the function cuont(), expected a function that computes from its arguments "
    "alone; nearest: count, cot, concat",
    "SELEC 1": 'query: syntax error at or near "SELEC" (line 1, column 1), expected one SELECT',
    "SELECT 1,\n  FROM WHERE": 'query: syntax error at or near "WHERE" (line 2, column 8), expected one SELECT',
    "DROP TABLE predictions": "query: a statement that begins with DROP, expected one SELECT",
    "SELECT 1; SELECT 2": "query: 2 statements, expected one SELECT",
    " ": "query: nothing, expected one SELECT",
    "SELECT * FROM prediction": "query: the table 'prediction', expected one of mood, outcomes, predictions, "
    "reserve_counts",
    "SELECT 1 % 0": "query: Division by zero in expression (1 % 0), expected one SELECT that can be answered",
}


@pytest.mark.parametrize("sql", SENTENCES)
def test_a_mistake_is_told_in_one_sentence(ask, sql):
    assert refusal(ask, sql) == SENTENCES[sql]


@pytest.mark.parametrize("content", [None, b"PAR1 and then something else"])
def test_a_file_that_went_away_or_is_damaged_is_not_the_askers_mistake(tmp_path, content):
    if content:
        (tmp_path / "odd.parquet").write_bytes(content)
    with pytest.raises(Unavailable, match="it may just have been repacked: ask again"):
        run("SELECT 1 FROM predictions", Source((tmp_path / "odd.parquet",), tables(0, 1)), limits=PLENTY)


def test_answers_become_files():
    columns = {"n": [1, None], "a": [[1.5], []], "b": [b"\xff", b"x"], "t": [make.NOW, None], "d": [{"x": 1}, None]}
    table = pa.table(columns).append_column("n", pa.array(["x", 'y,"z"']))
    assert csv(table).decode().splitlines()[0] == '"n","a","b","t","d","n_2"'
    assert csv(table).decode().splitlines()[2] == ',"[]","x",,,"y,""z"""'
    assert rows(table)[0] == [1, [1.5], b"\xff", make.NOW.isoformat().replace("+00:00", "Z"), {"x": 1}, "x"]
    assert pq.read_table(pa.BufferReader(parquet(table))).column_names == distinct(table.column_names)
    assert encoded(Answer(table.select([0]).slice(0, 1), True, 1.25), "json") == (
        b'{"columns":[{"name":"n","kind":"number"}],"rows":[[1]],"is_cut":true,"ms":1.2}'
    )


def test_an_answer_in_many_parts_is_one_list():
    table = pa.table({"n": range(5_000), "v": [[i / 2, None] for i in range(5_000)]})
    for source in (table, pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7)]), table.slice(0, 0)):
        found = msgspec.json.decode(encoded(Answer(source, False, 1.0), "json"))["rows"]
        assert found == [[i, [i / 2, None]] for i in range(source.num_rows)]


def test_a_value_that_a_format_has_no_place_for_is_told(ask):
    vectors = ask("SELECT [1.5, 2]::FLOAT[2] AS v").table
    assert (csv(vectors), rows(vectors)) == (b'"v"\n"[1.5,2.0]"\n', [[[1.5, 2.0]]])
    for sql, write, form in (("INTERVAL 1 DAY", parquet, "Parquet"), ("DATE '20000-01-01'", rows, "text")):
        sentence = rf"query: a value that has no place in {form} \(.*\), expected plain ones; cast it to VARCHAR"
        with pytest.raises(InvalidRecord, match=sentence):
            write(ask(f"SELECT {sql} AS v").table)
