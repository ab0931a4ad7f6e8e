"""A model behind another server: asked over real HTTP, in JSON and in binary, well and ill."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import msgspec
import numpy as np
import pytest
import uvicorn

from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.remote.discovery import package
from loopline.adapters.remote.engine import RemoteEngine, RemoteModel
from loopline.adapters.remote.wire import HEADER_LENGTH
from loopline.errors import InvalidRecord, Unavailable
from loopline.records.signature import Signature
from loopline.records.soundness import checks_for, checks_in, require_replay
from loopline.testing.engine import TABLE, TEXTS, EngineContract
from loopline.testing.scene import LABELS, SIGNATURE

pytestmark = pytest.mark.service

MODELS = {
    "texts": (linear({"good": (-1.0, 0.0, 1.0), "bad": (1.0, 0.0, -1.0)}, is_committee=True), SIGNATURE),
    "table": (linear({"0": (-1.0, 0.0, 1.0)}), TABLE),
}
ALL = frozenset({"members", "embedding"})


class Server:
    """An Open Inference Protocol server of a few lines, that can be told to misbehave."""

    def __init__(self, *, is_binary: bool) -> None:
        self.is_binary, self.asked, self.ill = is_binary, [], ""
        self.predictors = {
            name: MemoryEngine().load(content, engine="onnx", signature=signature)
            for name, (content, signature) in MODELS.items()
        }

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        self.asked.append((scope["path"], headers))
        status, more, content = self.misbehave() or self.answer(scope["path"], headers, body)
        await send({"type": "http.response.start", "status": status, "headers": more})
        await send({"type": "http.response.body", "body": content})

    def misbehave(self):
        match self.ill:
            case "error":
                return 503, [], b'{"error": "out of\\nmemory"}'
            case "redirect":
                return 307, [(b"location", b"http://127.0.0.1:1/v2")], b""
            case "endless":
                return 200, [], b" " * 3_000_000
            case "wide":
                return 200, [], msgspec.json.encode({"outputs": [tensor("probabilities", np.ones((1, 4)))]})
        return None

    def answer(self, path, headers, body):
        if path == "/v2":
            return 200, [], msgspec.json.encode({"extensions": ["binary_tensor_data"] if self.is_binary else []})
        name, _, verb = path.removeprefix("/v2/models/").partition("/")
        if verb != "infer":
            return 200, [], msgspec.json.encode(self.metadata(name))
        length = int(headers.get(HEADER_LENGTH.lower(), len(body)))
        head = msgspec.json.decode(body[:length])
        said = self.predictors[name].observe(self.rows(head["inputs"][0], body[length:]), extras=ALL)
        outputs, tail = [], b""
        for one in head["outputs"]:
            array = getattr(said, one["name"]).astype("<f4")
            if one["parameters"]["binary_data"]:
                outputs.append(tensor(one["name"], array, binary_data_size=array.nbytes))
                tail += array.tobytes()
            else:
                outputs.append(tensor(one["name"], array))
        whole = msgspec.json.encode({"outputs": outputs})
        return 200, [(HEADER_LENGTH.encode(), str(len(whole)).encode())] if tail else [], whole + tail

    def rows(self, asked, content):
        if asked["datatype"] == "BYTES":
            return asked["data"]
        numbers = np.frombuffer(content) if content else np.array(asked["data"])
        return numbers.reshape(asked["shape"])

    def metadata(self, name):
        is_text = MODELS[name][1].input == "text"
        taken = {"name": "x", "datatype": "BYTES" if is_text else "FP64", "shape": [-1] if is_text else [-1, 2]}
        given = [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}]
        if is_text:
            given += [{"name": extra, "datatype": "FP32", "shape": [-1, 3]} for extra in sorted(ALL)]
        return {"name": name, "inputs": [taken], "outputs": given}


def tensor(name, array, **parameters):
    plain = {"name": name, "datatype": "FP32", "shape": list(array.shape)}
    return plain | ({"parameters": parameters} if parameters else {"data": array.ravel().tolist()})


@contextmanager
def running(app: Server) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    thread = Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v2/models"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module", params=[True, False], ids=["binary", "json"])
def served(request) -> Iterator[tuple[Server, str]]:
    app = Server(is_binary=request.param)
    with running(app) as url:
        yield app, url


@pytest.fixture
def well(served):
    served[0].ill, served[0].asked = "", []
    return served


class TestRemoteEngine(EngineContract):
    engine_name = "remote"

    @pytest.fixture(autouse=True)
    def _served(self, well):
        self.app, self.url = well

    def make(self) -> RemoteEngine:
        return RemoteEngine()

    def artifact(self) -> bytes:
        return package(f"{self.url}/texts", signature=SIGNATURE)

    def table(self) -> bytes:
        return package(f"{self.url}/table", signature=TABLE)

    def test_a_model_of_other_classes_is_refused(self) -> None:
        other = Signature(input="text", labels=("no", "yes"))
        content = package(f"{self.url}/texts?labels=a,b", signature=other)
        with pytest.raises(InvalidRecord, match=r"no.*yes"):
            RemoteEngine().load(content, engine="remote", signature=other)

    def test_it_says_what_the_model_says_members_and_embedding_too(self) -> None:
        said, model = self.loaded().observe(TEXTS, extras=ALL), self.app.predictors["texts"].observe(TEXTS, extras=ALL)
        for here, there in zip(said, model, strict=True):
            np.testing.assert_allclose(here, there, atol=1e-7)

    def test_its_columns_follow_the_labels_given_at_registration(self) -> None:
        content = package(f"{self.url}/texts?labels={','.join(LABELS[::-1])}", signature=SIGNATURE)
        turned = RemoteEngine().load(content, engine="remote", signature=SIGNATURE)
        np.testing.assert_array_equal(turned.predict(TEXTS), self.loaded().predict(TEXTS)[:, ::-1])

    def test_it_is_held_to_its_checks_like_any_other(self) -> None:
        predictor = self.loaded()
        content = checks_for(TEXTS, predictor.predict(TEXTS), signature=SIGNATURE)
        checks = checks_in(content, signature=SIGNATURE)
        require_replay(predictor.predict, checks, thing="version v2")
        worse = msgspec.structs.replace(checks, probabilities=checks.probabilities[::-1])
        with pytest.raises(InvalidRecord, match=r"^version v2: check \d differs"):
            require_replay(predictor.predict, worse, thing="version v2")


def loaded(url):
    content = package(f"{url}/texts", signature=SIGNATURE)
    return RemoteEngine().load(content, engine="remote", signature=SIGNATURE)


@pytest.mark.parametrize(
    ("ill", "told"),
    [
        ("error", r"^model server http://127.0.0.1:\d+/v2/models/texts: answered 503: out of memory$"),
        ("redirect", r"answered 307"),
        ("endless", r"an answer of over 65,[0-9]{3} bytes"),
        ("wide", r"output probabilities: shape \(1, 4\), expected 2 dimensions, 1 rows, 3 columns"),
    ],
)
def test_a_server_that_misbehaves_is_a_failure_in_words(well, ill, told):
    app, url = well
    predictor = loaded(url)
    app.ill = ill
    with pytest.raises((Unavailable, InvalidRecord), match=told):
        predictor.predict(["good"])
    app.ill = ""
    assert predictor.predict(["good"]).argmax() == 2


def test_a_server_that_is_gone_is_told(served):
    app = Server(is_binary=True)
    with running(app) as url:
        predictor = loaded(url)
    with pytest.raises(Unavailable, match=r"^model server .*/texts: ConnectError: .*; see whether it runs$"):
        predictor.predict(["good"])
    with pytest.raises(Unavailable, match=r"^model server .*/v2: ConnectError"):
        package(f"{url}/texts", signature=SIGNATURE)


def test_what_the_server_does_not_tell_can_be_said(well):
    _, url = well
    found = msgspec.json.decode(package(f"{url}/table?input=rows&output=p", signature=TABLE), type=RemoteModel)
    assert (found.input, found.output, found.datatype) == ("rows", "p", "FP32")
    with pytest.raises(InvalidRecord, match=r"option 'colour', expected one of input, datatype, output, labels"):
        package(f"{url}/table?colour=red", signature=TABLE)
    with pytest.raises(InvalidRecord, match=r"inputs x FP64, expected one of BYTES; name it: ...\?input=NAME"):
        package(f"{url}/table", signature=SIGNATURE)


def test_the_environments_proxies_are_not_asked(well, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert loaded(well[1]).predict(["bad"]).argmax() == 0
