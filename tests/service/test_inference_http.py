"""The inference endpoint on a real server: real clients, bad input, many at once."""

import asyncio
import gzip
import itertools
import json
import random
import socket
import subprocess
import sys
import textwrap
import time
import tracemalloc
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
import uvicorn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from loopline.adapters.memory.frames import MemoryFrames
from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.sklearn.engine import SklearnEngine, package
from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.system.clock import SystemClock
from loopline.apps.http.admission import Admission
from loopline.apps.http.crew import Crew
from loopline.apps.http.endpoint import Endpoint
from loopline.apps.http.identity import Identity
from loopline.apps.http.inference import make_inference
from loopline.apps.http.meter import Meter
from loopline.apps.http.shortway import ShortWay, connections_of
from loopline.apps.recorder.opening import recording_rules
from loopline.capture.reserve import Sealing
from loopline.capture.stage import Capture, Recorder
from loopline.ports.engine import Shelf
from loopline.records.ids import PredictionId
from loopline.records.model import Checks
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import CaptureSettings
from loopline.serve.stage import Gateway
from loopline.testing.factories import LABELS, LOOP, SIGNATURE, entry, model_version, settings

pytestmark = pytest.mark.service

CORPUS = ["good film", "good good", "so so", "it is", "bad film", "bad bad"] * 5
RATED = [LABELS[i] for i in (2, 2, 1, 1, 0, 0)] * 5
TEXTS = ["a good film", "bad, bad!", "", "so it is", "völlig unbekannt"]
INFER = f"/v2/models/{LOOP}/infer"


@cache
def estimator(regularisation: float) -> Any:
    return make_pipeline(TfidfVectorizer(), LogisticRegression(C=regularisation)).fit(CORPUS, RATED)


MODELS = {"v1": 1.0, "v2": 10.0}
TOKEN = "the-token"
SHOWN = {"authorization": f"Bearer {TOKEN}"}


class Served:
    """One gateway with v1 live and v2 kept, its log and counters in a folder, behind a real server."""

    def __init__(self, folder: Path, *, is_live: bool = True) -> None:
        self.settings = settings(capture=CaptureSettings(group_by="user", segment_by="channel", reserve=0.25))
        self.log, self.counters = SpoolLog(folder / "spool.db"), FileCounters(folder / "counters")
        queue, rules = MemoryFrames(size=64 << 20), recording_rules(self.settings, secret=b"secret")
        self.capture = Capture(queue, counters=self.counters)
        self.recorder = Recorder(queue, log=self.log, objects=MemoryObjects(), counters=self.counters, rules=rules)
        self.gateway = Gateway(self.settings, clock=SystemClock(), counters=self.counters, record=self.capture.offer)
        ledger, objects = MemoryLedger(), MemoryObjects()
        for name, regularisation in MODELS.items():
            model = estimator(regularisation)
            p = tuple(map(tuple, model.predict_proba(TEXTS).tolist()))
            checks = objects.put(msgspec.json.encode(Checks(rows=tuple(TEXTS), probabilities=p)))
            artifact = objects.put(package(model, signature=SIGNATURE))
            ledger.commit(entry(name, model_version(name, artifact=artifact, checks=checks)))
        if is_live:
            ledger.commit(entry("split", TrafficSplit(loop=LOOP, revision=1, incumbent="v1", keep=("v2",))))
            assert self.gateway.refresh(Shelf(ledger, objects, SklearnEngine())), self.gateway.refusals
        endpoint = Endpoint(self.gateway, settings=self.settings, meter=Meter())
        self.crew = Crew(endpoint.ask, seconds=30)
        self.application = make_inference(endpoint, crew=self.crew, load=print, unload=print)
        admission = Admission(Identity(token=TOKEN, secret=b"s"))
        self.way = ShortWay(endpoint, admission=admission, most_connections=1_000)

    def settled(self) -> dict[str, int]:
        """The totals, once nothing waits any more."""
        for _ in range(500):
            totals = self.counters.read()
            if totals["answered"] == sum(totals[name] for name in ("stored", "repeated", "dropped", "sampled_out")):
                return totals
            time.sleep(0.01)
        raise AssertionError(self.counters.read())

    def close(self) -> None:
        self.crew.close()
        self.gateway.close()
        self.capture.close()
        self.recorder.close()
        self.log.close()
        self.counters.close()


@contextmanager
def serving(served: Served) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        served.application, http=connections_of(served.way), lifespan="off", log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("served"))
    yield served
    served.close()


@pytest.fixture(scope="module")
def address(served) -> Iterator[str]:
    with serving(served) as address:
        yield address


@pytest.fixture(params=["short way", "long way"])
def client(request, address) -> Iterator[httpx.Client]:
    """Who shows a token takes the short way where there is one; nobody here asks who comes the long way."""
    headers = {"authorization": f"Bearer {TOKEN}"} if request.param == "short way" else {}
    with httpx.Client(base_url=f"http://{address}", timeout=30, headers=headers) as client:
        yield client


def request(*texts: str, **more: object) -> dict[str, object]:
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    return {"inputs": [tensor]} | more


TRITON = """
    import json, sys
    import numpy as np
    import tritonclient.http as triton
    address, loop, texts, cases, token = json.loads(sys.argv[1])
    shown = {"authorization": "Bearer " + token}
    client = triton.InferenceServerClient(address)
    def infer(version, is_binary, packing, is_short):
        tensor = triton.InferInput("text", [len(texts), 1], "BYTES")
        tensor.set_data_from_numpy(np.array([[text.encode()] for text in texts], object), binary_data=is_binary)
        outputs = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in ("probabilities", "label")]
        result = client.infer(loop, [tensor], version, outputs=outputs, request_id="r7",
                              request_compression_algorithm=packing, headers=dict(shown) if is_short else None)
        p, label = result.as_numpy("probabilities"), result.as_numpy("label")
        labels = [one.decode() if isinstance(one, bytes) else one for one in label.tolist()]
        response = result.get_response()
        return [str(p.dtype), p.tolist(), labels, response["id"], response["model_version"]]
    def refused():
        try:
            client.infer("other", [triton.InferInput("text", [1], "BYTES")])
        except triton.InferenceServerException as error:
            return [error.status(), error.message()]
    print(json.dumps({
        "answers": [infer(*case) for case in cases],
        "live": client.is_server_live(), "ready": client.is_server_ready(),
        "models": [client.is_model_ready(loop, version) for version in ("", "v2", "v9")],
        "server": client.get_server_metadata(), "model": client.get_model_metadata(loop, "v2"),
        "index": client.get_model_repository_index(), "refused": refused(),
        "config": client.get_model_config(loop), "stats": client.get_inference_statistics(loop, "v2"),
    }))
"""
"""A process of its own: what the client and gevent warn of, and leave open, is theirs."""

CASES = list(itertools.product(["", "v1", "v2"], [False, True], [None, "gzip", "deflate"], [True, False]))


@pytest.fixture(scope="module")
def triton(address) -> dict[str, Any]:
    command = [sys.executable, "-c", textwrap.dedent(TRITON), json.dumps([address, LOOP, TEXTS, CASES, TOKEN])]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda number: "-".join(map(str, CASES[number])))
def test_a_real_client_gets_the_right_probabilities(triton, case):
    version = CASES[case][0] or "v1"
    kind, found, labels, name, answered_by = triton["answers"][case]
    expected = estimator(MODELS[version]).predict_proba(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert labels == [LABELS[i] for i in expected.argmax(axis=1)]
    assert (kind, name, answered_by) == ("float32", "r7", version)


def test_a_real_client_finds_its_way_around(triton):
    assert triton["live"]
    assert triton["ready"]
    assert triton["models"] == [True, True, False]
    assert "binary_tensor_data" in triton["server"]["extensions"]
    assert triton["config"]["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": [1]}]
    counted = triton["stats"]["model_stats"][0]["inference_stats"]["success"]["count"]
    assert counted == sum(version == "v2" for version, *_ in CASES)
    assert triton["model"]["versions"] == ["v2"]
    assert triton["model"]["outputs"][0]["shape"] == [-1, 3]
    assert [(one["version"], one["state"]) for one in triton["index"]] == [("v1", "READY"), ("v2", "READY")]
    assert triton["refused"] == ["404", "no model 'other'; known: sentiment"]


def test_what_was_answered_is_in_the_log_as_it_was_answered(client, served):
    answered = request("a good film", "bad", id="look", parameters={"user": "ana", "channel": "web"})
    response = client.post(INFER, json=answered).json()
    served.settled()
    first, second = (served.log.find(PredictionId(f"look/{i}")) for i in range(2))
    assert response["outputs"][0]["data"] == [*first.probabilities, *second.probabilities]
    assert response["outputs"][1]["data"] == [first.label, second.label]
    assert (first.group, first.arm, first.model, first.inputs) == ("ana", "incumbent", "v1", b'"a good film"')
    assert first.role == second.role == Sealing(b"secret", share=0.25).role("ana")
    assert first.segment == second.segment == "web"


def test_without_an_id_each_request_gets_a_new_one_that_the_log_knows(client, served):
    ids = [client.post(INFER, json=request("good")).json()["id"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert {uuid.UUID(id_).version for id_ in ids} == {7}
    served.settled()
    assert {served.log.find(PredictionId(id_)).inputs for id_ in ids} == {b'"good"'}


def test_the_kind_of_content_need_not_be_told(client):
    content = json.dumps(request("good", id="untold")).encode()
    response = client.send(client.build_request("POST", INFER, content=content))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"


def test_a_named_version_is_recorded_as_asked_directly(client, served):
    path = f"/v2/models/{LOOP}/versions/v2/infer"
    assert client.post(path, json=request("good", id="by-name")).json()["model_version"] == "v2"
    served.settled()
    assert served.log.find(PredictionId("by-name")).arm == "direct"


GOOD = json.dumps(request("good")).encode()
NAN = b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [NaN]}]}'
WIDE = json.dumps({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "BYTES", "data": ["a", "b"]}]}).encode()
FLOAT = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}).encode()
BAD = [
    ("POST", INFER, {}, b"{", 400, "request: Input data was truncated, expected an inference request as JSON"),
    ("POST", INFER, {}, NAN, 400, "request: NaN in the JSON, expected finite numbers"),
    ("POST", INFER, {}, WIDE, 400, "input 'x': shape [1, 2], expected [n] or [n, 1], n from 1 to 100,000"),
    ("POST", INFER, {}, FLOAT, 400, "input 'x': datatype FP32, expected BYTES"),
    ("POST", INFER, {}, b"", 400, "request: Input data was truncated, expected an inference request as JSON"),
    ("POST", INFER, {"content-encoding": "br"}, GOOD, 400, "Content-Encoding: 'br', expected gzip, deflate or none"),
    ("POST", INFER, {"content-encoding": "gzip"}, GOOD, 400, "request body: Error -3 while decompressing data:"
     " incorrect header check, expected gzip as announced"),
    ("POST", INFER, {"content-encoding": "gzip"}, gzip.compress(GOOD)[:-9], 400, "request body: an end too early,"
     " expected one whole gzip stream"),
    ("POST", INFER, {"content-encoding": "gzip"}, gzip.compress(GOOD) + b"more", 400, "request body: bytes after the"
     " end, expected one whole gzip stream"),
    ("POST", INFER, {"inference-header-content-length": "-1"}, GOOD, 400, "Inference-Header-Content-Length: '-1',"
     " expected a number of bytes"),
    ("POST", INFER, {"inference-header-content-length": "9999"}, GOOD, 400, "Inference-Header-Content-Length: 9999,"
     f" expected 0 to {len(GOOD)}, the length of the body"),
    ("POST", "/v2/models/other/infer", {}, GOOD, 404, "no model 'other'; known: sentiment"),
    ("GET", "/v2/models/other", {}, b"", 404, "no model 'other'; known: sentiment"),
    ("POST", f"/v2/models/{LOOP}/versions/v9/infer", {}, GOOD, 404, "no loaded version 'v9'; known: v1, v2"),
    ("GET", f"/v2/models/{LOOP}/versions/v9", {}, b"", 404, "no loaded version 'v9'; known: v1, v2"),
    ("GET", f"/v2/models/{LOOP}/versions", {}, b"", 404, f"no path '/v2/models/{LOOP}/versions'; known: /v2,"),
    ("GET", "/v1/anything", {}, b"", 404, "no path '/v1/anything'; known: /v2,"),
    ("GET", INFER, {}, b"", 405, "method: GET, expected POST"),
    ("PUT", "/v2", {}, GOOD, 405, "method: PUT, expected GET"),
    ("POST", INFER, {}, b" " * ((8 << 20) + 1), 413, "request: a body over 8,388,608 bytes, expected less"),
    ("POST", INFER, {"content-encoding": "gzip"}, gzip.compress(bytes(9 << 20), 1), 413, "request: a body over"
     " 8,388,608 bytes"),
    ("POST", INFER, {"content-encoding": "deflate"}, zlib.compress(bytes(9 << 20), 1), 413, "a body over"),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_bad_input_is_told_what_was_found_and_expected(client, served, bad):
    method, path, headers, content, status, sentence = bad
    before = served.settled()
    response = client.request(method, path, headers=headers, content=content)
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert sentence in response.json()["error"]
    assert ("allow" in response.headers) == (status == 405)
    assert served.settled() == before
    assert client.get("/v2/health/live").json() == {"live": True}


def test_a_packed_bomb_is_not_unpacked_beyond_the_limit(client):
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(256)), packer.flush()])
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    try:
        response = client.post(INFER, headers={"content-encoding": "gzip"}, content=bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert response.status_code == 413
    assert peak < 64 << 20


def test_before_a_version_is_live_it_is_alive_but_not_ready(tmp_path):
    served = Served(tmp_path, is_live=False)
    try:
        with serving(served) as address:
            assert httpx.get(f"http://{address}/v2/health/live").status_code == 200
            ready = httpx.get(f"http://{address}/v2/health/ready")
            assert (ready.status_code, ready.json()) == (503, {"ready": False})
            assert httpx.get(f"http://{address}/v2/models/{LOOP}/ready").status_code == 503
            assert httpx.get(f"http://{address}/v2/models/{LOOP}").json()["versions"] == []
            answer = httpx.post(f"http://{address}{INFER}", json=request("good"), headers=SHOWN)
            assert answer.status_code == 503
            assert answer.json()["error"].startswith("model: no version is live yet; ask again when")
        assert served.counters.read()["answered"] == 0
    finally:
        served.close()


def test_64_clients_at_once_each_get_their_own_answers_in_order(served, address):
    before = served.settled()
    vocabulary = ["good", "bad", "so", "film", "is", "it"]

    async def one(client: httpx.AsyncClient, number: int) -> int:
        draw = random.Random(number)
        for turn in range(5):
            texts = [" ".join(draw.choices(vocabulary, k=draw.randint(1, 6))) for _ in range(draw.randint(1, 4))]
            name = f"client-{number}-{turn}"
            response = (await client.post(INFER, json=request(*texts, id=name))).json()
            assert response["id"] == name
            p, label = response["outputs"]
            expected = estimator(MODELS["v1"]).predict_proba(texts)
            found = np.reshape(p["data"], p["shape"])
            np.testing.assert_allclose(found, expected, atol=1e-6)
            assert label["data"] == [LABELS[i] for i in found.argmax(axis=1)]
        return number

    async def everyone() -> list[int]:
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=60, limits=limits, headers=SHOWN) as client:
            return await asyncio.gather(*(one(client, number) for number in range(64)))

    assert asyncio.run(everyone()) == list(range(64))
    after = served.settled()
    assert after["stored"] - before["stored"] == after["answered"] - before["answered"] > 64 * 5
    assert served.log.end() == sum(served.log.tally().values()) == after["stored"]
