"""What the tests of the living endpoint share: a client that speaks in bytes, and ``loopline up`` as a process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import httpx
import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from loopline.testing.factories import LOOP

TOKEN = "the-token"
INFER = f"/v2/models/{LOOP}/infer"
PATIENCE = 60
"""Seconds after which a test gives up: far beyond what anything here takes."""


def until(happened: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """What it says once it says something true."""
    deadline = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < deadline, f"it never happened: {happened}"
        time.sleep(0.01)
    return found


class Answer(NamedTuple):
    """One HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection, and the bytes on it."""

    def __init__(self, port: int, *, buffer: int = 0) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.socket.sendall(part)

    def answer(self) -> Answer:
        """The next response, whole."""
        while b"\r\n\r\n" not in self._heard:
            self._hear()
        head, _, self._heard = self._heard.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status = int(first.split()[1])
        length = 0 if status in {100, 204} else int(headers["content-length"])
        while len(self._heard) < length:
            self._hear()
        body, self._heard = self._heard[:length], self._heard[length:]
        return Answer(status, headers, body)

    def ask(self, *parts: bytes) -> Answer:
        self.send(*parts)
        return self.answer()

    def is_closed(self) -> bool:
        """Whether the server closes without another word; waits for it."""
        if self._heard:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _hear(self) -> None:
        more = self.socket.recv(65_536)
        if not more:
            raise EOFError(f"closed after {self._heard!r}")
        self._heard += more


def content(*texts: str, **more: object) -> bytes:
    """The body of an inference request."""
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    return json.dumps({"inputs": [tensor], **more}).encode()


def post(path: str, body: bytes, *lines: str, token: str = TOKEN, length: bool = True) -> bytes:
    """A POST request, whole."""
    shown = [f"Authorization: Bearer {token}"] if token else []
    measured = [f"Content-Length: {len(body)}"] if length else []
    head = [f"POST {path} HTTP/1.1", "Host: localhost", *shown, *measured, *lines]
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1") + body


def asks(name: str, *texts: str, path: str = INFER, **more: Any) -> bytes:
    """An inference request with this id."""
    return post(path, content(*texts or ("good",), id=name), **more)


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


CORPUS = ["good film", "good good", "so so", "it is", "bad film", "bad bad"] * 5
RATED = ["positive", "positive", "neutral", "neutral", "negative", "negative"] * 5
TOML = """\
[loop]
name = "{name}"
labels = ["negative", "neutral", "positive"]
input = "text"
[serve]
model = "model.skops"
checks = "checks.jsonl"
timeout = "{timeout}s"
[capture]
buffer_mb = {buffer_mb}
payload_bytes = {payload_bytes}
reserve = 0
"""
FATES = ("stored", "repeated", "dropped", "sampled_out")


class Loop:
    """``loopline up`` on a folder, and what it says."""

    def __init__(self, folder: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.folder, self.root, self.port = folder, folder / ".loopline", free_port()
        self.said = folder / "said"
        command = [sys.executable, "-m", "loopline", "up", folder / "loop.toml", "--port", str(self.port)]
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
            )

    def ready(self) -> "Loop":
        """Wait until its model answers."""
        try:
            until(self._is_ready)
        except BaseException:
            self.process.kill()
            raise
        return self

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.said.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/v2/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def token(self) -> str:
        return (self.root / "token").read_text().strip()

    def recorder(self) -> int:
        """The process id of its recorder; 0 while there is none."""
        return int((self.root / "log" / "recorder.lock").read_text() or "0")

    def get(self, path: str, **headers: str) -> httpx.Response:
        shown = {"authorization": f"Bearer {self.token}", **headers}
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=shown, timeout=PATIENCE)

    def status(self) -> dict[str, Any]:
        return self.get("/api/status").json()

    def troubles(self) -> str:
        """All that it tells of, in one text."""
        return "; ".join(self.status()["troubles"])

    def overview(self) -> str:
        return self.get("/", accept="text/html").text

    def metric(self, name: str) -> float:
        """One line of ``/metrics``."""
        found = re.search(rf"^{re.escape(name)} (.+)$", self.get("/metrics").text, re.M)
        assert found, name
        return float(found[1])

    def fates(self) -> dict[str, int]:
        """What became of the rows, as ``/metrics`` counts them."""
        found = re.findall(r'^loopline_capture_total{fate="(.+)"} (.+)$', self.get("/metrics").text, re.M)
        return {fate: int(float(count)) for fate, count in found}

    def settled(self) -> dict[str, int]:
        """The fates, once every row that was answered has one."""
        found: dict[str, int] = {}

        def is_settled() -> bool:
            found.update(self.fates())
            return found["answered"] == sum(found[fate] for fate in FATES)

        until(is_settled)
        return found

    def resident_mb(self, *, line: str = "VmRSS") -> float:
        """Memory of the server."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(one for one in lines if one.startswith(line)).split()[1]) / 1_024

    def peak_mb(self) -> float:
        """The most that it had since ``forget_peak``."""
        return self.resident_mb(line="VmHWM")

    def forget_peak(self) -> float:
        """What it has now, the new peak."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.peak_mb()

    def query(self, sql: str) -> list[list[Any]]:
        """The rows of an answer about the log."""
        shown = {"authorization": f"Bearer {self.token}"}
        asked = {"sql": sql, "format": "json"}
        answer = httpx.post(f"http://127.0.0.1:{self.port}/api/query", json=asked, headers=shown, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["rows"])

    def files(self) -> int:
        """How many it has open, connections among them."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.said.read_text()

    def end(self) -> None:
        """Whatever became of it, it is gone afterwards."""
        self.process.kill()
        self.process.wait(PATIENCE)


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def write_loop(folder: Path, *, buffer_mb: int = 1, payload_bytes: int = 65_536, timeout: int = 30) -> None:
    """A ``loop.toml`` with a model that rates films."""
    folder.mkdir(exist_ok=True)
    skops.io.dump(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(CORPUS, RATED), folder / "model.skops")
    lines = (json.dumps({"text": text, "label": label}) for text, label in zip(CORPUS, RATED, strict=True))
    (folder / "checks.jsonl").write_text("\n".join(lines) + "\n")
    written = TOML.format(name=LOOP, buffer_mb=buffer_mb, payload_bytes=payload_bytes, timeout=timeout)
    (folder / "loop.toml").write_text(written)


@contextmanager
def up(folder: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[Loop]:
    """A loop that answers, until the end."""
    loop = Loop(folder, environment=environment)
    try:
        yield loop.ready()
    finally:
        loop.end()


class Callers:
    """Threads that ask without end, each on its connection; what they were told."""

    def __init__(self, loop: Loop, *, name: str = "c", size: int = 100) -> None:
        self.ids: list[str] = []
        self.wrong: list[Any] = []
        self._loop, self._name, self._text = loop, name, "good " + "x" * size
        self._stop = Event()
        self._threads = [Thread(target=self._ask, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[str]:
        """The ids that were answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.ids

    def more(self, number: int) -> None:
        """Wait until so many more are answered."""
        wanted = len(self.ids) + number
        until(lambda: len(self.ids) >= wanted or not any(thread.is_alive() for thread in self._threads))

    def _ask(self, thread: int) -> None:
        token, number = self._loop.token, 0
        try:
            with Wire(self._loop.port) as wire:
                while not self._stop.is_set():
                    number += 1
                    name = f"{self._name}-{thread}-{number}"
                    answer = wire.ask(post(INFER, content(self._text, id=name), token=token))
                    if answer.status == 200 and answer.told["id"] == name:
                        self.ids.append(name)
                    else:
                        self.wrong.append(answer)
        except (OSError, EOFError) as error:
            self.wrong.append(error)


class Bucket:
    """An S3 bucket, as far as objects are put and got; it can be away for a while."""

    def __init__(self, folder: Path) -> None:
        self.objects = {path.name: path.read_bytes() for path in folder.glob("??/*")}
        self.port = free_port()
        self.open()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "OBJECT_STORE": "s3://loop",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "NO_PROXY": "127.0.0.1",
        }

    def open(self) -> None:
        objects = self.objects

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                objects[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
                self.tell(b"")

            def do_GET(self) -> None:
                self.tell(objects[self.path.rpartition("/")[2]])

            def tell(self, content: bytes) -> None:
                self.send_response(200)
                for line in (("ETag", '"e"'), ("Last-Modified", "Mon, 05 Jan 2026 09:00:00 GMT")):
                    self.send_header(*line)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Answering)
        self.thread = Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
