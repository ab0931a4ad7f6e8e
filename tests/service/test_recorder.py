"""The recorder's process: what it says, when it ends, what it does without."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.ring.queue import RingQueue
from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.log import SpoolLog
from loopline.apps.recorder.__main__ import NICENESS
from loopline.apps.recorder.child import RecorderChild
from loopline.apps.recorder.words import COUNTERS, LOCK, OWN_COUNTERS, RING, Orders, Word, write_orders
from loopline.capture.reserve import Sealing
from loopline.capture.stage import Capture
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.records.settings import CaptureSettings, Redaction, Settings
from loopline.testing.exchanges import exchange
from loopline.testing.factories import settings

pytestmark = pytest.mark.service

ABSENT = ("scipy", "sklearn", "litestar", "onnxruntime", "duckdb", "pandas", "httpx", "alembic", "faiss")


class Server:
    """The answering side over a folder."""

    def __init__(self, folder: Path, **capture: object) -> None:
        (folder / "secret").write_text("the word")
        self.folder = folder
        self.settings: Settings = settings(capture=CaptureSettings(buffer_mb=1, **capture))
        self.queue = RingQueue(folder / RING, size=1 << 20)
        self.counters = FileCounters(folder / COUNTERS, beside=(folder / OWN_COUNTERS,))
        self.capture = Capture(self.queue, counters=self.counters)

    @property
    def totals(self) -> dict[str, int]:
        return {name: amount for name, amount in self.counters.read().items() if amount}

    def find(self, id_: str) -> Prediction:
        log = SpoolLog(self.folder / "log" / "spool.db")
        try:
            return log.find(PredictionId(id_))
        finally:
            log.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.queue.close()
    made.counters.close()


@contextmanager
def child(server: Server, **how: Any) -> Iterator[RecorderChild]:
    running = RecorderChild(server.settings, server.folder, **how)
    try:
        yield running
    finally:
        running.close()


@contextmanager
def process(server: Server, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    write_orders(Orders(settings=server.settings, secret=str(server.folder / "secret")), root=server.folder)
    command = [sys.executable, "-m", "loopline.apps.recorder", str(server.folder), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        try:
            yield running
        finally:
            running.kill()


def said(running: subprocess.Popen[bytes]) -> Word:
    return msgspec.json.decode(running.stdout.readline(), type=Word)


def until(happened: Callable[[], object]) -> None:
    for _ in range(6_000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


def test_what_is_offered_is_soon_in_the_log(server):
    with child(server) as recorder:
        place = server.capture.offer(exchange("p1", "Good film", "bad film"))
        until(lambda: server.capture.is_settled(place))
        assert server.find("p1/1").inputs == b'"bad film"'
        assert (recorder.lost, recorder.troubles()) == (0, ())
    assert server.totals == {"answered": 2, "stored": 2}


def test_what_is_offered_while_nobody_records_is_stored_at_the_start(server):
    for number in range(300):
        server.capture.offer(exchange(f"p{number}"))
    server.counters.add("answered", 2)
    with child(server) as recorder:
        assert recorder.lost == 2
    assert server.totals == {"answered": 302, "stored": 300, "dropped": 2}


def test_rules_sampling_and_payloads_reach_the_process(tmp_path):
    rules = (Redaction(regex="[0-9]+", is_hashed=True), Redaction(field="group", replace="-"))
    server = Server(tmp_path, sample=0.5, payload_bytes=50, redact=rules, reserve=0.5)
    with child(server):
        for number in range(100):
            server.capture.offer(exchange(f"p{number}", "pin 1234 " + "x" * 60, group=f"user {number}"))
    found = server.totals
    assert found["answered"] == 100 == found["stored"] + found["sampled_out"]
    log = SpoolLog(tmp_path / "log" / "spool.db")
    kept = [log.find(PredictionId(id_)) for id_ in log.scores(after=0, until=log.end()).id]
    log.close()
    objects = FileObjects(tmp_path / "objects")
    assert {(row.sampled, row.group, row.inputs, row.redacted) for row in kept} == {(0.5, "-", b"", True)}
    assert {objects.get(row.payload)[:5] for row in kept} == {b'"pin '}
    assert not any(b"1234" in objects.get(row.payload) for row in kept)
    for row in kept:
        assert row.role == Sealing(b"the word", share=0.5).role(f"user {row.id[1:]}")
    server.queue.close()
    server.counters.close()


def test_the_end_of_the_standard_input_stores_what_waits_and_ends_it(server):
    with process(server) as running:
        assert said(running) == Word(ready=True)
        for number in range(2_000):
            server.capture.offer(exchange(f"p{number}"))
        running.stdin.close()
        assert running.wait() == 0
    assert server.totals == {"answered": 2_000, "stored": 2_000}


def test_whoever_answers_goes_before_it(server):
    with process(server) as running:
        assert said(running).ready
        own, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (os.getpid(), running.pid))
        assert its == min(own + NICENESS, 19) > own


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_ends_it_in_order_and_the_keyboard_does_not(server, sent):
    with process(server) as running:
        assert said(running) == Word(ready=True)
        for number in range(500):
            server.capture.offer(exchange(f"p{number}"))
        running.send_signal(sent)
        if sent == signal.SIGINT:
            place = server.capture.offer(exchange("late"))
            until(lambda: server.capture.is_settled(place))
            assert running.poll() is None
            running.send_signal(signal.SIGTERM)
        assert running.wait() == 0
    assert server.totals["stored"] == server.totals["answered"]


def test_a_second_one_waits_for_the_first_and_takes_over(server):
    with process(server) as first:
        assert said(first) == Word(ready=True)
        assert int((server.folder / LOCK).read_text()) == first.pid
        with process(server, "--resume") as second:
            assert said(second).trouble == "another recorder is at work in this folder; this one waits for it to end"
            server.capture.offer(exchange("p1"))
            first.stdin.close()
            assert first.wait() == 0
            assert said(second) == Word(ready=True)
            server.capture.offer(exchange("p2"))
            second.stdin.close()
            assert second.wait() == 0
    assert server.totals == {"answered": 2, "stored": 2}


def test_one_that_resumes_does_not_touch_the_account(server):
    server.counters.add("answered", 2)
    with process(server, "--resume") as running:
        assert said(running) == Word(ready=True)
        running.stdin.close()
        assert running.wait() == 0
    assert server.totals == {"answered": 2}


def test_a_log_that_does_not_take_what_waits_is_told_and_tried_again(server):
    with child(server) as recorder:
        blocking = sqlite3.connect(server.folder / "log" / "spool.db", isolation_level=None)
        blocking.execute("BEGIN IMMEDIATE")
        server.capture.offer(exchange("p1"))
        until(recorder.troubles)
        locked = f"prediction log {server.folder / 'log' / 'spool.db'}: database is locked"
        assert recorder.troubles()[0].startswith(f"the log takes no predictions: {locked}")
        assert server.capture.waiting == 1
        blocking.execute("ROLLBACK")
        blocking.close()
        until(lambda: not recorder.troubles())
    assert server.totals == {"answered": 1, "stored": 1}


def test_an_exchange_that_cannot_be_recorded_is_told(server):
    with child(server) as recorder:
        server.capture.offer(exchange("odd", "a", "b", rows=3))
        until(recorder.troubles)
        told = "exchange odd: 2 inputs, expected 3. It is counted as dropped; the others are stored"
        assert recorder.troubles() == (f"the log refused an answer for good: {told}",)
    assert server.totals == {"answered": 3, "dropped": 3}


def test_one_that_dies_is_started_again_and_that_is_told(server):
    with child(server) as recorder:
        for death in (1, 2):
            before = int((server.folder / LOCK).read_text())
            os.kill(before, signal.SIGKILL)
            until(lambda before=before: int((server.folder / LOCK).read_text()) != before)
            place = server.capture.offer(exchange(f"p{death}"))
            until(lambda place=place: server.capture.is_settled(place))
            times = "once" if death == 1 else "2 times"
            assert recorder.troubles() == (f"the recorder died {times}; it is started again",)
    assert server.totals == {"answered": 2, "stored": 2}


def test_deaths_of_long_ago_are_not_told_any_more(server):
    seconds = [0.0]
    with child(server, now=lambda: seconds[0]) as recorder:
        before = (server.folder / LOCK).read_text()
        os.kill(int(before), signal.SIGKILL)
        until(lambda: (server.folder / LOCK).read_text() != before)
        seconds[0] = 599.0
        assert recorder.troubles() == ("the recorder died once; it is started again",)
        seconds[0] = 600.0
        assert recorder.troubles() == ()


def test_one_that_is_stopped_is_told_with_the_way_out(server):
    seconds = [100.0]
    with child(server, now=lambda: seconds[0]) as recorder:
        recorder.watch(server.queue)
        process = int((server.folder / LOCK).read_text())
        os.kill(process, signal.SIGSTOP)
        for number in range(3):
            server.capture.offer(exchange(f"p{number}"))
        assert recorder.troubles() == ()
        seconds[0] = 109.0
        assert recorder.troubles() == ()
        seconds[0] = 110.0
        (told,) = recorder.troubles()
        assert told.startswith(f"the recorder (process {process}) has taken nothing since ")
        assert "when 3 batches of answers waited" in told
        assert f"kill -9 {process} ends it" in told
        seconds[0] = 500.0
        assert recorder.troubles() == (told,)
        os.kill(process, signal.SIGKILL)
        until(lambda: not server.capture.waiting)
        assert recorder.troubles() == ("the recorder died once; it is started again",)
    assert server.totals == {"answered": 3, "stored": 3}


def test_one_that_cannot_start_is_told_and_the_server_goes_on(server):
    (server.folder / "secret").unlink()
    with child(server, patience=3.0) as recorder:
        assert recorder.lost == 0
        until(lambda: len(recorder.troubles()) == 3)
        late, reason, died = recorder.troubles()
        assert late == "the recorder was not ready within 3 s: what is answered waits for it, or is dropped"
        missing = f"[Errno 2] No such file or directory: '{server.folder / 'secret'}'"
        assert reason.startswith(
            f"the log takes no predictions: {missing}. It is tried again; answers wait in the ring"
        )
        assert died.startswith("the recorder died ")
        assert server.capture.offer(exchange("p1"))
        (server.folder / "secret").write_text("the word")
        until(lambda: server.totals.get("stored"))
        until(lambda: len(recorder.troubles()) == 1)
    assert server.totals == {"answered": 1, "stored": 1}


def test_closing_does_not_wait_for_ever_and_what_is_left_is_stored_by_the_next(server):
    recorder = RecorderChild(server.settings, server.folder)
    os.kill(int((server.folder / LOCK).read_text()), signal.SIGSTOP)
    server.capture.offer(exchange("p1"))
    recorder.close(patience=0.3)
    assert (server.totals, server.capture.waiting) == ({"answered": 1}, 1)
    with child(server) as again:
        assert again.lost == 0
    assert server.totals == {"answered": 1, "stored": 1}


def test_its_process_stays_small(server):
    program = f"""
        import runpy, sys
        sys.argv = ["recorder", {str(server.folder)!r}]
        try:
            runpy.run_module("loopline.apps.recorder", run_name="__main__")
        except SystemExit as end:
            assert end.code == 0
        print(*sorted({{name.split(".")[0] for name in sys.modules}}))
    """
    write_orders(Orders(settings=server.settings, secret=str(server.folder / "secret")), root=server.folder)
    with child(server):  # has migrated the state
        pass
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "pyarrow" in loaded
    assert not loaded & set(ABSENT)


def test_orders_are_for_their_owner_only(server):
    write_orders(Orders(settings=server.settings, secret="secret"), root=server.folder)
    assert (server.folder / "log" / "recorder.json").stat().st_mode & 0o777 == 0o600
