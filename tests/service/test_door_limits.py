"""Requests that mean harm, sent as bytes to a real server: it answers or refuses, stays small, and says nothing odd."""

import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.service
MB = 1 << 20
ROOM_MB = 24
"""What a request of 100 MB may cost the server at most; the interpreter's own buffers included."""
SERVER = """
import socket
from datetime import UTC, datetime
import uvicorn
from loopline.apps.http.control import make_control
from loopline.apps.http.dispatch import make_dispatch
from loopline.apps.http.identity import Identity
from loopline.testing.rooms import StoredConsole, rooms

async def inference(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inference"})

house = rooms(now=datetime(2026, 1, 5, tzinfo=UTC))
control = make_control(house, StoredConsole(house))
app = make_dispatch(control=control, inference=inference, identity=Identity(token="the-token", secret=b"secret"))
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
"""


@dataclass
class Server:
    process: subprocess.Popen
    port: int
    errors: Path

    def send(self, *parts):
        """Everything that the server answers to these bytes; it may close before it has taken them all."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            try:
                for part in parts:
                    connection.sendall(part)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has heard enough
            answer = b""
            try:
                while more := connection.recv(65_536):
                    answer += more
            except OSError:
                pass
            return answer.decode("latin-1")

    def peak_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1_024

    def is_well(self):
        answer = self.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        told = set(self.errors.read_text().splitlines())
        return answer.startswith("HTTP/1.1 200") and told <= {"WARNING:  Invalid HTTP request received."}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    errors = tmp_path_factory.mktemp("server") / "errors"
    with errors.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=file, text=True)
    try:
        yield Server(process, int(process.stdout.readline()), errors)
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


def head(path, *lines, token="the-token"):
    shown = [f"Authorization: Bearer {token}"] if token else []
    sent = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *shown, *lines]
    return ("\r\n".join(sent) + "\r\n\r\n").encode()


def whole(megabytes):
    return [b" " * MB] * megabytes


def chunked(megabytes):
    chunk = b"%x\r\n" % MB + b" " * MB + b"\r\n"
    return [*[chunk] * megabytes, b"0\r\n\r\n"]


CLAIM = "/api/claim"
HUGE = 100


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [("the-token", CLAIM, 413), ("", CLAIM, 401), ("wrong", "/v2/models/m/infer", 401), ("", "/sign-in", 413)],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_of_100_mb_is_refused_and_the_server_stays_small(server, token, path, status, is_chunked):
    assert server.is_well()
    before = server.peak_mb()
    line = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {HUGE * MB}"
    body = chunked(HUGE) if is_chunked else whole(HUGE)
    answer = server.send(head(path, line, token=token), *body)
    assert answer.startswith(f"HTTP/1.1 {status}"), answer[:200]
    assert server.peak_mb() - before < ROOM_MB
    assert server.is_well()


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: abc",),
        ("Content-Length: -1",),
        ("Content-Length: 0x10",),
        ("Content-Length: 2", "Content-Length: 3"),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Content-Length: 99999999999999999999999999",),
        ("Content-Length: 2,2",),
    ],
)
def test_a_length_that_is_none_or_two_is_a_bad_request(server, lines):
    assert server.send(head(CLAIM, *lines), b"{}").startswith("HTTP/1.1 400")
    assert server.is_well()


def test_what_follows_a_body_that_is_longer_than_it_says_is_no_part_of_it(server):
    answer = server.send(head(CLAIM, "Content-Length: 19"), b'{"annotator": "ana"}' + b"x" * 40)
    assert answer.startswith("HTTP/1.1 400")
    assert "ana" not in answer.partition("\r\n\r\n")[2]
    assert server.is_well()


@pytest.mark.parametrize("path", [CLAIM, "/sign-in", "/v2/models/m/infer"])
def test_a_caller_who_leaves_before_the_end_leaves_nothing_behind(server, path):
    for _ in range(20):
        server.send(head(path, "Content-Length: 1000"), b"{")
    assert server.is_well()


@pytest.mark.parametrize("path", ["/static/../api/status", "/static/%2e%2e/api/status", "/objects/..%2f..%2fapi/status",
                                  "/static/..%2f..%2f..%2fetc/passwd", "//api/status", "/./api/status"])  # fmt: skip
def test_no_spelling_of_a_path_leads_round_the_door(server, path):
    answer = server.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(("HTTP/1.1 401", "HTTP/1.1 404")), answer[:200]
    assert "awaited" not in answer
    assert server.is_well()


@pytest.mark.parametrize("line", ["Host: evil.example", "Host: localhost\r\nHost: evil.example", "X: y"])
def test_a_rebound_a_doubled_or_no_host_is_refused(server, line):
    sent = f"GET /api/status HTTP/1.1\r\n{line}\r\nAuthorization: Bearer the-token\r\nConnection: close\r\n\r\n"
    assert server.send(sent.encode()).startswith(("HTTP/1.1 421", "HTTP/1.1 400"))
    assert server.is_well()
