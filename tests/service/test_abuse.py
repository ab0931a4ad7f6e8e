"""A real loop under requests that mean harm: huge, packed, slow, crooked. It refuses, stays small and well."""

import gzip
import resource
import socket
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.service.live import INFER, Callers, Loop, Wire, asks, content, post, until, up, write_loop

pytestmark = pytest.mark.service

MB = 1 << 20
HUGE = 100
HUGE_MB = 48
"""What one request of 100 MB may cost the server: the largest body that it takes is 8 MB."""
SLOW = 10_000
SLOW_MB = 150
"""What 10,000 connections may cost, at 15 KB each."""
GIVEN_UP = 20
"""Seconds after which an unfinished request is given up."""


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("abused")
    write_loop(folder, timeout=GIVEN_UP)
    with up(folder) as loop:
        callers = Callers(loop)
        callers.more(500)  # all that is made once is made
        callers.stop()
        yield loop


def is_well(loop):
    with Wire(loop.port) as wire:
        return wire.ask(asks("well", token=loop.token)).status == 200


def head(loop, *lines, path=INFER):
    shown = ["Host: localhost", f"Authorization: Bearer {loop.token}", *lines]
    return "\r\n".join([f"POST {path} HTTP/1.1", *shown, "", ""]).encode()


def pressed(wire, *parts):
    """Send it all, as far as the server hears it, and take the answer."""
    sending = threading.Thread(target=lambda: send(wire, parts))
    sending.start()
    try:
        return wire.answer()
    finally:
        wire.socket.shutdown(socket.SHUT_RDWR)
        sending.join()


def send(wire, parts):
    with suppress(OSError):
        wire.send(*parts)


@pytest.mark.parametrize("path", [INFER, f"{INFER}/", "/v1/predictions", "/v1/outcomes", "/api/query"])
@pytest.mark.parametrize("is_measured", [True, False], ids=["with length", "in chunks"])
def test_a_body_of_100_mb_is_refused_and_costs_little(loop, path, is_measured):
    before = loop.forget_peak()
    piece = b" " * MB
    with Wire(loop.port) as wire:
        if is_measured:
            parts = [head(loop, f"Content-Length: {HUGE * MB}", path=path), *[piece] * HUGE]
        else:
            chunk = b"%x\r\n%b\r\n" % (MB, piece)
            parts = [head(loop, "Transfer-Encoding: chunked", path=path), *[chunk] * HUGE, b"0\r\n\r\n"]
        answer = pressed(wire, *parts)
    assert answer.status == 413
    assert set(answer.told) == {"error"}
    assert loop.peak_mb() - before < HUGE_MB
    assert is_well(loop)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
@pytest.mark.parametrize("path", [INFER, f"{INFER}/", "/v1/predictions"])
def test_a_bomb_is_not_unpacked(loop, packing, path):
    before, bomb = loop.forget_peak(), (gzip.compress if packing == "gzip" else zlib.compress)(bytes(256 * MB), 9)
    with Wire(loop.port) as wire:
        answer = pressed(
            wire, head(loop, f"Content-Length: {len(bomb)}", f"Content-Encoding: {packing}", path=path), bomb
        )
    assert answer.status == 413
    assert loop.peak_mb() - before < HUGE_MB
    assert is_well(loop)


def room_for(connections):
    """As many connections as this process may have, after asking for more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(connections, hard - 512)


def test_10000_slow_connections_keep_nobody_waiting_and_go(loop):
    """Each sends a byte now and then; the hard limit on files may allow fewer, and then says so at the end."""
    number, before = room_for(SLOW), loop.resident_mb()
    start = b"POST " + INFER.encode() + b" HTTP/1.1\r\nX: "
    sockets: list[socket.socket] = []
    callers = Callers(loop, name="well-behaved")
    try:
        while len(sockets) < number:
            sockets.append(socket.create_connection(("127.0.0.1", loop.port)))
            sockets[-1].sendall(start)
        callers.more(100)
        for each in sockets:
            with suppress(OSError):
                each.sendall(b"x")
        callers.more(100)
        assert loop.resident_mb() - before < SLOW_MB * number / SLOW
        until(lambda: loop.files() < 200)  # given up, though the bytes keep coming
        callers.more(100)
        refused = [each.recv(1_000)[:12] for each in sockets]
    finally:
        callers.stop()
        for each in sockets:
            each.close()
    assert callers.wrong == []
    assert set(refused) == {b"HTTP/1.1 408"}
    if number < SLOW:
        pytest.skip(f"passed with {number:,} connections; this system allows no more files to a process")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/v2/models/../..",
        "/v2/models/../../api/status",
        "/v2/models/%2e%2e/%2e%2e/api/status",
        "/v2/models/..%2f..%2f.loopline/token",
        "/v2/models/sentiment/versions/../../../token/infer",
        "/v2/models/http:%2f%2f127.0.0.1/infer",
        "/v2/../api/status",
        "/objects/../token",
        "/objects/..%2ftoken",
        "/objects/%2e%2e/token",
        "/objects/....//token",
        "/static/../../../token",
        "/static/%2e%2e/%2e%2e/token",
        "/v2/%00",
        "/%c0%ae%c0%ae/token",
        "/v2/models/%ff%fe/infer",
    ],
)
@pytest.mark.parametrize("is_shown", [True, False], ids=["with token", "without"])
def test_no_path_leads_out(loop, method, path, is_shown):
    shown = f"Authorization: Bearer {loop.token}\r\n" if is_shown else ""
    with Wire(loop.port) as wire:
        wire.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{shown}Content-Length: 0\r\n\r\n".encode())
        answer = wire.answer()
    assert answer.status in ({400, 404, 405} if is_shown else {400, 401, 404, 405})
    assert loop.token.encode() not in answer.body
    assert is_well(loop)


def test_bytes_that_are_no_path_are_refused(loop):
    for path in (b"/v2/models/\xff\xfe/infer", b"/v2/models/sentiment/versions/\xff/infer", b"/\xc3\xa4"):
        with Wire(loop.port) as wire:
            answer = wire.ask(b"POST " + path + head(loop)[len(f"POST {INFER}") :])
            assert answer.status in {400, 404}
    assert is_well(loop)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"])
def test_a_method_that_makes_no_sense_is_refused(loop, method):
    for path in (INFER, "/v2", "/api/status", "/v1/predictions"):
        with Wire(loop.port) as wire:
            answer = wire.ask(head(loop, "Content-Length: 0", path=path).replace(b"POST", method.encode(), 1))
            assert answer.status in {204, 400, 404, 405}, (path, answer)
            assert b"Traceback" not in answer.body
    assert is_well(loop)


CLOSED = ["/v2", INFER, "/v2/repository/index", "/v1/predict/sentiment", "/v1/predictions", "/api/tick"]


@pytest.mark.parametrize("path", CLOSED)
def test_without_a_token_nothing_is_told(loop, path):
    with Wire(loop.port) as wire:
        answer = wire.ask(post(path, content("good"), token=""))
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_at_the_end_all_is_accounted_for_and_nothing_failed_unexpectedly(loop):
    found = loop.settled()
    assert found["dropped"] == found["failed"] == 0
    assert "Traceback" not in loop.said.read_text()
    loop.stop()
