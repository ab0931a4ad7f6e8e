"""Files of predictions and outcomes: every row is stored, repeated or named as bad; a second run changes nothing."""

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.frames import MemoryFrames
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.memory.outcomes import MemoryOutcomes
from loopline.apps.http.reporting import make_reporting
from loopline.apps.importing import files, intake
from loopline.apps.importing.doors import Checks, Posts
from loopline.apps.importing.intake import Account, Wish, take_in
from loopline.apps.recorder.opening import recording_rules
from loopline.capture.stage import Capture, Recorder
from loopline.errors import InvalidRecord, LooplineError, NotFound, Unavailable
from loopline.records.settings import CaptureSettings
from loopline.records.signature import Signature
from loopline.testing.factories import LABELS, LOOP, NOW, settings

P = [0.125, 0.25, 0.625]
TABLE = Signature(input="tabular", width=2, labels=("a", "b"))


class Brought(NamedTuple):
    account: Account
    bad: list[str]


class Loop:
    """A loop in memory that files are brought into."""

    def __init__(self, **changes: Any) -> None:
        self.settings = settings(**changes)
        self.log, self.counters, self.outcomes = MemoryLog(), MemoryCounters(), MemoryOutcomes()

    def bring(self, *paths: Path, **wish: Any) -> Brought:
        bad: list[str] = []
        with self.door() as door:
            parts = {"settings": self.settings, "wish": Wish(**wish), "tell": bad.append}
            return Brought(take_in(paths, door=door, **parts, watch=lambda _: None), bad)

    @contextmanager
    def door(self) -> Iterator[Posts]:
        queue = MemoryFrames(size=1 << 20)
        capture = Capture(queue, counters=self.counters)
        rules = recording_rules(self.settings, secret=b"secret")
        recorder = Recorder(queue, log=self.log, objects=MemoryObjects(), counters=self.counters, rules=rules)
        application = make_reporting(capture, settings=self.settings, outcomes=self.outcomes)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://loop")
        try:
            with Posts(client, counts=lambda _: self.counters.read(), patience=5.0) as posts:
                yield posts
        finally:
            recorder.close()

    def stored(self) -> dict[str, Any]:
        rows = [self.log.find(name) for name in self.log._index]
        return {row.id: row for row in rows}


def served(**changes: Any) -> dict[str, Any]:
    line = {"id": "p1", "model": "v1", "text": "so good", "probabilities": P} | changes
    return {name: value for name, value in line.items() if value is not None}


def write(path: Path, *objects: Any) -> Path:
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in objects) + "\n")
    return path


def test_lines_are_brought_in_and_a_second_run_stores_nothing_twice(tmp_path):
    loop, path = Loop(), write(tmp_path / "served.jsonl", served(), served(id=None), "", served(id=None, text="bad"))
    first = loop.bring(path)
    assert first == (Account(files=1, read=3, stored=3, repeated=0, sampled_out=0, bad=0), [])
    made = set(loop.stored()) - {"p1"}
    assert {name.rpartition("-")[2] for name in made} == {"2", "4"}
    assert all(name.startswith("import-") for name in made)
    assert loop.bring(path).account.sentence == "3 rows read from 1 file: 0 stored, 3 repeated, 0 bad"
    other = write(tmp_path / "other.jsonl", served(id=None))
    assert loop.bring(other).account.stored == 1


def test_bad_rows_are_named_by_file_and_line_and_good_ones_kept(tmp_path):
    path = write(
        tmp_path / "served.jsonl",
        served(),
        "{",
        served(id="p2", model=None),
        "[1]",
        served(id="p3", probabilities=[1.0]),
        served(id="p4"),
    )
    brought = Loop().bring(path)
    assert (brought.account.stored, brought.account.bad, brought.account.read) == (2, 4, 6)
    assert brought.bad == [
        "served.jsonl line 2: Input data was truncated, expected a JSON object",
        "served.jsonl line 4: a JSON list, expected an object",
        "served.jsonl line 3: no model, expected one",
        "served.jsonl line 5: probabilities with shape (1, 1), expected (1, 3)",
    ]
    assert Loop().bring(path, model="v7").account.bad == 3


def test_a_strict_import_stops_at_the_first_bad_row(tmp_path):
    loop, path = Loop(), write(tmp_path / "served.jsonl", served(), served(id="p2", model=""), served(id="p3"))
    with pytest.raises(LooplineError) as error:
        loop.bring(path, is_strict=True)
    sentence = "served.jsonl line 2: an empty model, expected a version's name; 2 rows are in the log, what is whole is"
    assert str(error.value) == sentence + " kept: mend the file and run it again"


def test_a_dry_run_finds_the_same_bad_rows_and_stores_nothing(tmp_path):
    path = write(tmp_path / "served.jsonl", served(), served(id="p2", model=""))
    told: list[str] = []
    parts = {"settings": settings(), "wish": Wish(), "tell": told.append, "watch": lambda _: None}
    account = take_in([path], door=Checks(settings()), **parts)
    assert (account.stored, account.repeated, account.bad) == (1, 0, 1)
    assert told == ["served.jsonl line 2: an empty model, expected a version's name"]
    outcomes = write(tmp_path / "outcomes.jsonl", {"prediction": "p1", "label": "sad"})
    account = take_in([outcomes], door=Checks(settings()), **parts | {"wish": Wish(is_outcomes=True)})
    assert (account.stored, account.bad) == (0, 1)


def test_csv_holds_text_and_a_column_for_each_probability(tmp_path):
    path = tmp_path / "served.csv"
    path.write_text(
        "id,text,p_negative,p_neutral,p_positive,model,at,latency_us,country\n"
        'p1,"so, good",0.125,0.25,0.625,v1,2026-01-05T09:00:00Z,150,de\n'
        "p2,,0.125,0.25,0.625,v1,1767603600.5,,de\n"
        "p3,x,0.125,0.25,much,v1,,,de\n"
        "p4,x,0.125\n"
        "\n"
        "p5,x,,,,v1,,,de\n"
    )
    loop = Loop()
    brought = loop.bring(path)
    stored = loop.stored()
    assert brought.account.sentence == (
        "5 rows read from 1 file: 2 stored, 0 repeated, 3 bad; columns left out: country"
    )
    assert brought.bad == [
        "served.csv line 4: p_positive 'much', expected a number",
        "served.csv line 5: 3 fields, expected 9",
        "served.csv line 7: no probabilities, expected one for each of negative, neutral, positive",
    ]
    assert (stored["p1"].inputs, stored["p1"].at, stored["p1"].latency_us) == (b'"so, good"', NOW, 150)
    assert (stored["p2"].inputs, stored["p2"].at.timestamp()) == (b'""', 1767603600.5)


def test_features_of_a_table_are_the_columns_without_another_meaning(tmp_path):
    path = tmp_path / "served.csv"
    path.write_text('height,model,width,probabilities\n1,v1,2.5,"[0.5, 0.5]"\n1,v1,x,"[0.5, 0.5]"\n1,v1,2,[0.5\n')
    loop = Loop(signature=TABLE)
    brought = loop.bring(path)
    assert [row.inputs for row in loop.stored().values()] == [b"[1.0,2.5]"]
    assert brought.bad[0] == "served.csv line 3: width 'x', expected a number"
    assert brought.bad[1].startswith("served.csv line 4: probabilities '[0.5', expected a JSON list")
    path.write_text("height,model\n1,v1\n")
    with pytest.raises(InvalidRecord, match=r"served.csv: 1 features \(height\), expected 2, the loop's width"):
        loop.bring(path)


def test_bytes_that_are_no_utf8_spoil_their_own_row_only(tmp_path):
    path = tmp_path / "served.csv"
    head = b"id,text,p_negative,p_neutral,p_positive,model\n"
    path.write_bytes(head + b"p1,\xff,0.125,0.25,0.625,v1\np2,fine,0.125,0.25,0.625,v1\n")
    brought = Loop().bring(path)
    assert (brought.account.stored, brought.bad) == (1, ["served.csv line 2: bytes that are no UTF-8, expected text"])


def test_parquet_of_any_maker_has_the_same_columns(tmp_path):
    columns = {"id": ["p1", "p2"], "text": ["so good", None], "model": ["v1"] * 2, "probabilities": [P, P]}
    pq.write_table(pa.table(columns | {"at": pa.array([NOW, None], pa.timestamp("us"))}), tmp_path / "served.parquet")
    loop = Loop()
    brought = loop.bring(tmp_path / "served.parquet")
    assert brought.bad == [
        "served.parquet row 2: no input, expected text, for text with labels [negative, neutral, positive]"
    ]
    assert (loop.stored()["p1"].at, loop.stored()["p1"].probabilities) == (NOW, tuple(P))


def test_a_segment_of_our_own_log_comes_back_as_it_was(tmp_path):
    source = Loop()
    members = [P, [0.5, 0.25, 0.25]]
    rows = [
        served(group="ana", segment="web", at=NOW.timestamp(), latency_us=7, embedding=[0.5, -1.0], trace="ab" * 16),
        served(model="v2", arm="shadow"),
        served(id="p2", failure="out of memory", probabilities=None),
        served(id="p3", arm="canary", members=members),
    ]
    source.bring(write(tmp_path / "served.jsonl", *rows))
    before = source.stored()
    logged = [msgspec.structs.asdict(row) for row in before.values()]
    for row in logged:
        row["at_us"] = round(row.pop("at").timestamp() * 1_000_000)
    pq.write_table(pa.Table.from_pylist(logged), tmp_path / "segment.parquet")
    other = Loop()
    assert other.bring(tmp_path / "segment.parquet").account.sentence == (
        "4 rows read from 1 file: 4 stored, 0 repeated, 0 bad"
    )
    assert other.stored() == before
    logged[0]["payload"] = "ff00"
    pq.write_table(pa.Table.from_pylist(logged), tmp_path / "segment.parquet")
    assert other.bring(tmp_path / "segment.parquet").bad == [
        "segment.parquet row 1: the row's bytes are in the object ff00, expected them in the file"
    ]


def test_outcomes_come_from_any_kind_of_file(tmp_path):
    loop, lines = Loop(), [{"prediction": "p1", "label": "positive", "at": 5}, {"prediction": "p2", "label": "sad"}]
    first = loop.bring(write(tmp_path / "told.jsonl", *lines), is_outcomes=True)
    assert (first.account.stored, first.account.repeated, len(first.bad)) == (1, 0, 1)
    (tmp_path / "told.csv").write_text("prediction,label,at,source,who\np1,positive,5,,ana\np3,neutral,,support,ana\n")
    second = loop.bring(tmp_path / "told.csv", is_outcomes=True)
    assert (second.account.stored, second.account.repeated, second.account.bad) == (1, 1, 0)
    assert [one.source for one in loop.outcomes.of(["p1", "p3"], loop=LOOP)] == ["", "support"]


def event(kind: str, name: str, body: Any, **more: Any) -> dict[str, Any]:
    about = {"specversion": "1.0", "source": "http://localhost:9081/", "time": "2026-01-05T09:00:00Z"}
    return about | {"id": name, "type": f"org.kubeflow.serving.inference.{kind}", "data": body} | more


V2 = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": ["so good", "so bad"]}]}
V2_SAID = {
    "model_name": "sentiment",
    "model_version": "v3",
    "outputs": [
        {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["positive", "positive"]},
        {"name": "probabilities", "shape": [2, 3], "datatype": "FP32", "data": [*P, *P]},
    ],
}


def test_requests_and_responses_of_kserve_are_joined_by_id_across_files(tmp_path):
    write(
        tmp_path / "a.jsonl",
        event("request", "r1", V2),
        event("response", "r2", {"predictions": [P]}, endpoint="canary"),
    )
    (tmp_path / "more").mkdir()
    packed = {"data": None, "data_base64": b64encode(json.dumps({"instances": ["fine"]}).encode()).decode()}
    with gzip.open(tmp_path / "more" / "b.jsonl.gz", "wt") as file:
        file.write(json.dumps(event("request", "r2", None, inferenceservicename="mood", **packed)) + "\n")
        file.write(json.dumps(event("response", "r1", V2_SAID)) + "\n")
        file.write(json.dumps(event("request", "r3", V2)) + "\n")
    loop = Loop()
    brought = loop.bring(tmp_path)
    stored = loop.stored()
    assert set(stored) == {"r1/0", "r1/1", "r2"}
    assert (stored["r1/1"].inputs, stored["r1/1"].model, stored["r1/1"].at) == (b'"so bad"', "v3", NOW)
    assert (stored["r2"].inputs, stored["r2"].probabilities, stored["r2"].model) == (b'"fine"', tuple(P), "mood")
    assert brought.bad == ["b.jsonl.gz line 3: request r3 without its response, expected both"]
    assert loop.bring(tmp_path).account.sentence == "4 rows read from 2 files: 0 stored, 3 repeated, 1 bad"


def test_the_logger_s_own_files_are_read_one_event_each(tmp_path):
    for kind, body in (("request", {"instances": [[1, 2]]}), ("response", {"predictions": [{"a": 0.25, "b": 0.75}]})):
        packed = b64encode(json.dumps(body).encode()).decode()
        about = {"ReqType": f"org.kubeflow.serving.inference.{kind}", "Id": "r1", "InferenceService": "mood"}
        (tmp_path / f"r1-{kind}.json").write_text(json.dumps(about | {"Endpoint": "canary", "Bytes": packed}))
    loop = Loop(signature=TABLE)
    assert loop.bring(tmp_path).account.stored == 1
    row = loop.stored()["r1"]
    assert (row.inputs, row.probabilities, row.model) == (b"[1.0,2.0]", (0.25, 0.75), "mood-canary")


def test_an_error_of_the_model_is_a_failure(tmp_path):
    loop, refusal = Loop(), {"error": "out of memory"}
    loop.bring(write(tmp_path / "log.jsonl", event("request", "r1", V2), event("response", "r1", refusal)), model="v1")
    assert {name: row.failure for name, row in loop.stored().items()} == {
        "r1/0~v1": "out of memory",
        "r1/1~v1": "out of memory",
    }


@pytest.mark.parametrize(
    ("asked", "said", "sentence"),
    [
        (
            V2,
            {"predictions": ["positive", "negative"]},
            "prediction 'positive', expected the probabilities of all labels",
        ),
        (V2, {"predictions": [P]}, "1 answers to 2 rows, expected as many"),
        (V2, {"outputs": V2_SAID["outputs"][:1]}, "outputs label, expected one of 6 probabilities (3 a row)"),
        (V2, {}, "a response without predictions and outputs"),
        ({}, V2_SAID, "a request without instances and inputs"),
        ({"instances": [5, 6]}, V2_SAID, "5, expected a text"),
        ({"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES"}]}, V2_SAID, "a tensor without data"),
        ("no json", V2_SAID, "a request that is no JSON"),
    ],
)
def test_what_cannot_be_read_of_an_event_is_said(tmp_path, asked, said, sentence):
    path = write(tmp_path / "log.jsonl", event("response", "r1", said), event("request", "r1", asked))
    brought = Loop().bring(path)
    assert brought.account.stored == 0
    assert brought.bad[0].startswith(f"log.jsonl line 2: inference r1: {sentence}")


def test_a_table_may_come_as_one_tensor_a_feature(tmp_path):
    columns = [
        {"name": n, "shape": [2, 1], "datatype": "FP64", "data": d} for n, d in (("x", [1, 2]), ("y", [[3], [4]]))
    ]
    said = {"outputs": [{"name": "scores", "shape": [2, 2], "datatype": "FP64", "data": [[0.5, 0.5], [0.25, 0.75]]}]}
    loop = Loop(signature=TABLE)
    path = write(tmp_path / "l.jsonl", event("request", "r", {"inputs": columns}), event("response", "r", said))
    loop.bring(path, model="v1")
    assert [row.inputs for row in loop.stored().values()] == [b"[1.0,3.0]", b"[2.0,4.0]"]


def test_what_sampling_leaves_out_has_its_place_in_the_account(tmp_path):
    loop = Loop(capture=CaptureSettings(sample=0.5))
    account = loop.bring(write(tmp_path / "served.jsonl", *(served(id=f"p{n}") for n in range(200)))).account
    assert 60 < account.sampled_out < 140
    assert account.stored == 200 - account.sampled_out == loop.log.end()
    assert f"{account.sampled_out} left out by sampling" in account.sentence


@pytest.mark.slow
def test_large_files_go_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "BATCH_LINES", 7)
    monkeypatch.setattr(files, "CHUNK_ROWS", 10)
    loop, path = (
        Loop(),
        write(tmp_path / "served.jsonl", *(served(id=f"p{n}", model="v1" if n % 9 else "") for n in range(100))),
    )
    brought = loop.bring(path)
    assert (brought.account.stored, brought.account.bad) == (88, 12)
    assert brought.bad[1].startswith("served.jsonl line 10: ")


def test_progress_is_told_and_ends_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "CHUNK_ROWS", 10)
    path, told = write(tmp_path / "served.jsonl", *(served(id=f"p{n}") for n in range(100))), []
    assert len(list(files.objects_of(path, watch=told.append))) == 100
    assert [parts.done for parts in told] == sorted(parts.done for parts in told)
    assert (len(told), told[-1].done, told[-1].of) == (11, path.stat().st_size, path.stat().st_size)


def test_a_line_without_an_end_takes_no_memory_and_spoils_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LONGEST_LINE", 1_000)
    path = write(tmp_path / "served.jsonl", served(), "x" * 5_500, served(id="p2"))
    brought = Loop().bring(path)
    assert brought.account.stored == 2
    assert brought.bad == ["served.jsonl line 2: more than 1,000 bytes, expected a JSON object"]


def test_files_that_are_not_there_or_of_another_kind_are_named(tmp_path):
    with pytest.raises(NotFound, match=r"no file '.*absent.csv'"):
        Loop().bring(tmp_path / "absent.csv")
    (tmp_path / "notes.txt").write_text("")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(InvalidRecord, match=r"expected \.jsonl, \.ndjson, \.json, \.csv, \.parquet, the text ones"):
            Loop().bring(path)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not quite")
    with pytest.raises(InvalidRecord, match=r"broken.parquet: .*, expected a Parquet file"):
        Loop().bring(tmp_path / "broken.parquet")
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(json.dumps(served()).encode() * 100)[:-20])
    assert "expected a file that can be read to its end" in Loop().bring(tmp_path / "torn.jsonl.gz").bad[-1]


def test_a_door_that_stays_shut_is_told_after_a_while():
    async def busy(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"1")]})
        await send({"type": "http.response.body", "body": b"{}"})

    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=busy), base_url="http://loop")
    with Posts(client, counts=lambda _: {}, patience=0.5) as posts, pytest.raises(Unavailable) as error:
        posts.take("/v1/predictions", [b"{}"])
    assert str(error.value) == "loop: nothing was taken for 0.5 s; run the import again: it goes on where it stopped"


def test_probabilities_are_what_they_were(tmp_path):
    p = np.random.default_rng(7).dirichlet(np.ones(3), 50).astype(np.float32)
    loop = Loop()
    loop.bring(
        write(tmp_path / "served.jsonl", *(served(id=f"p{n}", probabilities=row.tolist()) for n, row in enumerate(p)))
    )
    assert [loop.stored()[f"p{n}"].probabilities for n in range(50)] == [tuple(row) for row in p.tolist()]
    assert LABELS[int(p[0].argmax())] == loop.stored()["p0"].label
