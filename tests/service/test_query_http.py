"""The query API over the control plane's own rules: formats, limits, refusals, and the end of the log."""

import asyncio
import io
import threading
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from litestar import Litestar

from loopline.apps.http.errors import HANDLERS
from loopline.apps.http.queries import AT_ONCE, query_routes
from loopline.records.outcome import Outcome
from loopline.testing import factories as make
from loopline.testing.study import PartedLog, Stretch, Study

pytestmark = pytest.mark.service

ENDLESS = "SELECT count(*) FROM range(100000000) AS a, range(100000000) AS b"


class WatchedLog(PartedLog):
    """A log in memory; what it shows to queries is its rows, and files that a test adds."""

    def __init__(self) -> None:
        super().__init__()
        self.files: tuple[Path, ...] = ()
        self.hot: list[tuple[str, ...]] = []
        self.gone: list[Path] = []
        self.entered, self.gate = threading.Semaphore(0), threading.Event()
        self.gate.set()

    def parts(self, *, tiers: tuple[str, ...] = ("hot", "archive")) -> Stretch:
        self.entered.release()
        self.gate.wait(timeout=30)
        self.hot.append(tiers)
        files = (*self.files, *([self.gone.pop()] if self.gone else ()))
        return super().parts()._replace(files=files)


@pytest.fixture
def study() -> Study:
    made = Study(log=WatchedLog())
    rows = [make.prediction(f"p{i}", f"text {i}", role="reserve" if i % 5 == 0 else "loop") for i in range(10)]
    made.log.append(rows)
    made.log.append([make.prediction("p3~v2", "text 3", arm="shadow", model="v2")])
    reports = [Outcome(id=f"o{i}", prediction=f"p{i}", label="neutral", at=make.NOW) for i in range(10)]
    made.outcomes.record(reports, loop=make.LOOP)
    return made


@pytest.fixture
def ask(study):
    app = Litestar(query_routes(study), exception_handlers=HANDLERS, openapi_config=None, logging_config=None)

    def ask(method: str, path: str, **request: Any) -> httpx.Response:
        async def whole() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **request)

        return asyncio.run(whole())

    return ask


def query(ask, sql: str, **more: Any) -> httpx.Response:
    return ask("POST", "/api/query", json={"sql": sql, **more})


def test_an_answer_tells_its_columns_its_rows_and_whether_it_is_whole(ask):
    answer = query(ask, "SELECT id, margin, time FROM predictions ORDER BY id LIMIT 2", limit=1)
    assert (answer.status_code, answer.headers["loopline-cut"]) == (200, "true")
    found = answer.json()
    assert found.pop("ms") > 0
    assert found == {
        "columns": [
            {"name": "id", "kind": "text"}, {"name": "margin", "kind": "number"}, {"name": "time", "kind": "time"},
        ],
        "rows": [["p1", pytest.approx(0.5), make.NOW.isoformat().replace("+00:00", "Z")]],
        "is_cut": True,
    }  # fmt: skip


def test_an_answer_comes_in_every_format(ask):
    sql = "SELECT id FROM predictions WHERE arm = 'incumbent' ORDER BY id"
    ids = ["p1", "p2", "p3", "p4", "p6", "p7", "p8", "p9"]
    arrow, table, lines = (query(ask, sql, format=form) for form in ("arrow", "parquet", "csv"))
    assert pa.ipc.open_stream(arrow.content).read_all()["id"].to_pylist() == ids
    assert pq.read_table(io.BytesIO(table.content))["id"].to_pylist() == ids
    assert lines.text.splitlines() == ['"id"', *(f'"{id_}"' for id_ in ids)]
    assert {one.headers["loopline-cut"] for one in (arrow, table, lines)} == {"false"}
    assert lines.headers["content-type"] == "text/csv; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"sql": "SELECT nothing FROM predictions"}, "query: no column 'nothing', expected one that its tables have"),
        ({"sql": "FROM '/etc/passwd'"}, "query: the table '/etc/passwd', expected one of"),
        ({"sql": "SELECT 1", "limit": 0}, "limit: 0, expected more than 0 and at most 1,000,000"),
        ({"sql": "SELECT 1", "seconds": 301}, "seconds: 301, expected more than 0 and at most 300"),
        ({"sql": ENDLESS, "seconds": 0.2}, "query: no answer within 0.2 s"),
        ({"sql": "SELECT 1", "format": "xml"}, "request: format"),
        ({"sql": 1}, "request: sql: found a whole number, expected a text"),
        ({}, "request: "),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_in_words(ask, body, error):
    answer = ask("POST", "/api/query", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)


def test_only_so_many_queries_run_at_once(ask, study):
    study.log.gate.clear()
    running = [threading.Thread(target=query, args=(ask, "SELECT 1")) for _ in range(AT_ONCE)]
    for one in running:
        one.start()
        assert study.log.entered.acquire(timeout=30)
    answer = query(ask, "SELECT 1")
    assert answer.json() == {"error": "query: 2 others run; try again in 2 s"}
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    study.log.gate.set()
    for one in running:
        one.join()
    assert query(ask, "SELECT 1").status_code == 200


def test_what_is_asked_about_the_hot_days_leaves_the_archive_out(ask, study):
    query(ask, "SELECT 1", hot=True)
    query(ask, "SELECT 1")
    assert study.log.hot == [("hot",), ("hot", "archive")]


def test_a_file_that_is_repacked_meanwhile_is_read_where_it_went(ask, study, tmp_path):
    study.log.gone = [tmp_path / "repacked.parquet"]
    assert query(ask, "SELECT count(*) FROM predictions").json()["rows"] == [[9]]
    study.log.gone = [tmp_path / "away.parquet"] * 2
    answer = query(ask, "SELECT count(*) FROM predictions")
    assert (answer.status_code, "ask again" in answer.json()["error"]) == (503, True)


def test_outcomes_come_with_the_rows_that_can_be_seen(ask):
    found = query(ask, "SELECT prediction, label FROM outcomes ORDER BY position").json()["rows"]
    assert found == [[f"p{i}", "neutral"] for i in range(10) if i % 5]


def test_ready_questions_are_listed_with_the_columns_of_the_views(ask):
    found = ask("GET", "/api/query/questions").json()
    names = [one["name"] for one in found["questions"]]
    assert names == ["uncertain", "volume", "versions", "latency", "failures", "labels"]
    assert set(found["views"]) == {"predictions", "outcomes", "reserve_counts"}
    assert {"name": "model", "kind": "text", "meaning": "the version that answered"} in found["views"]["predictions"]


def test_the_tail_goes_on_where_a_reader_stopped_and_leaves_the_reserve_out(ask, study):
    first = ask("GET", "/api/tail", params={"reader": "mirror", "most": 4}).json()
    assert ([row["id"] for row in first["rows"]], first["until"], first["end"]) == (["p1", "p2", "p3"], 4, 11)
    assert first["rows"][0]["input"] == "text 1"
    assert ask("GET", "/api/tail", params={"reader": "mirror", "most": 4}).json() == first
    assert ask("POST", "/api/tail", json={"reader": "mirror", "position": 4}).json() == {"position": 4}
    rest = ask("GET", "/api/tail", params={"reader": "mirror"}).json()
    assert [row["position"] for row in rest["rows"]] == [5, 7, 8, 9, 10]
    assert study.offsets.read("mirror", loop=make.LOOP) == 0  # the loop's own readers have names of their own


def test_the_tail_without_a_reader_is_what_came_last(ask):
    found = ask("GET", "/api/tail", params={"most": 2}).json()
    assert ([row["id"] for row in found["rows"]], found["until"]) == (["p8", "p9"], 11)
    assert ask("GET", "/api/tail", params={"after": 11}).json() == {"until": 11, "end": 11, "rows": []}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"reader": " x", "position": 1}, "reader: ' x', expected 1 to 64 printable characters"),
        ({"reader": "x", "position": 12}, "position: 12, expected 1 to 11"),
    ],
)
def test_an_offset_that_cannot_be_is_refused(ask, body, error):
    answer = ask("POST", "/api/tail", json=body)
    assert (answer.status_code, answer.json()["error"].startswith(error)) == (400, True)
