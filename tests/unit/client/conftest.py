"""The client as its users have it, and a small HTTP server that it talks to."""

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

SOURCE = Path(__file__).parents[3] / "client" / "src"
sys.path.insert(0, str(SOURCE))

Answer = tuple[int, dict[str, str], dict[str, Any]]
"""Status, headers, JSON."""


class Ear:
    """Hears what is posted, and says what ``answers`` say, in order, then that all was taken."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], list[dict[str, Any]]]] = []
        self.taken: dict[str, dict[str, Any]] = {}
        self.answers: list[Callable[[list[dict[str, Any]]], Answer]] = []
        ear = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
                lines = [json.loads(line) for line in body.splitlines()]
                ear.heard.append((self.path, {k.lower(): v for k, v in self.headers.items()}, lines))
                status, headers, said = ear.answers.pop(0)(lines) if ear.answers else ear.all_taken(lines)
                content = json.dumps(said).encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def all_taken(self, lines: list[dict[str, Any]]) -> Answer:
        self.taken.update({line.get("id") or line["prediction"]: line for line in lines})
        return 200, {}, {"accepted": len(lines)}

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line that was heard, as often as it was heard."""
        return [line for _, _, lines in self.heard for line in lines]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def ear() -> Iterator[Ear]:
    made = Ear()
    yield made
    made.close()


@pytest.fixture
def deaf() -> str:
    """An address at which nobody listens."""
    return "http://127.0.0.1:9"
