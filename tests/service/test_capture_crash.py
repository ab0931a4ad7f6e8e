"""Capture under kill -9, of the process that answers and of the one that records: no answer is lost, none doubled."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.log import SpoolLog
from loopline.apps.recorder.words import COUNTERS, LOCK, OWN_COUNTERS

pytestmark = pytest.mark.service

SERVER = Path(__file__).with_name("answering.py")


class Answering:
    """The program ``answering.py``, and what it said."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.lost: int = json.loads(process.stdout.readline())["lost"]

    def recorder(self) -> int:
        return int((self.folder / LOCK).read_text())

    def stop(self) -> dict[str, Any]:
        """End it in order; its last words."""
        self.process.stdin.close()
        *_, last = self.process.stdout
        assert self.process.wait() == 0
        return json.loads(last)


@contextmanager
def answering(
    folder: Path, name: str = "a", *, threads: int = 4, buffer_mb: int = 16, pause: float = 0.002
) -> Iterator[Answering]:
    command = [sys.executable, SERVER, folder, name, str(threads), str(buffer_mb), str(pause)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Answering(process, folder)
        finally:
            process.kill()


def until(happened: Callable[[], object]) -> None:
    for _ in range(6_000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("it never happened")


def wait_for_recorder_to_end(folder: Path) -> None:
    lock = os.open(folder / LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


def answered(folder: Path) -> list[str]:
    return (folder / "answered").read_text().split("\n")[:-1] if (folder / "answered").exists() else []


def totals(folder: Path) -> dict[str, int]:
    counters = FileCounters(folder / COUNTERS, beside=(folder / OWN_COUNTERS,))
    found = counters.read()
    counters.close()
    return found


def stored(folder: Path) -> list[str]:
    log = SpoolLog(folder / "log" / "spool.db")
    ids = log.scores(after=0, until=log.end()).id.tolist()
    log.close()
    return ids


def test_after_kill_9_of_the_server_the_recorder_stores_what_waits_and_goes(tmp_path):
    threads, unaccounted = 4, 0
    for life in range(3):
        with answering(tmp_path, f"life{life}", threads=threads) as server:
            assert server.lost == unaccounted
            wanted = len(answered(tmp_path)) + 500
            until(lambda wanted=wanted: len(answered(tmp_path)) >= wanted)
            server.process.kill()
        wait_for_recorder_to_end(tmp_path)
        found, held = totals(tmp_path), stored(tmp_path)
        assert set(answered(tmp_path)) <= set(held)
        assert len(held) == len(set(held)) == found["stored"]
        # Each thread can have been killed after it counted an answer and before it put it into the ring.
        unaccounted = found["answered"] - found["stored"] - found["dropped"]
        assert 0 <= unaccounted <= threads
    with answering(tmp_path, "last") as server:
        assert server.lost == unaccounted
        assert server.stop()["troubles"] == []
    found = totals(tmp_path)
    assert found["answered"] == found["stored"] + found["dropped"]
    assert found["dropped"] <= 3 * threads
    assert set(answered(tmp_path)) <= set(stored(tmp_path))


def test_after_kill_9_of_the_recorder_again_and_again_nothing_is_lost_and_nothing_doubled(tmp_path):
    kills = 6
    with answering(tmp_path) as server:
        for kill in range(kills):
            wanted = len(answered(tmp_path)) + 300
            until(lambda wanted=wanted: len(answered(tmp_path)) >= wanted)
            before = server.recorder()
            os.kill(before, signal.SIGKILL)
            until(lambda before=before: server.recorder() != before)
            until(lambda kill=kill: len(stored(tmp_path)) > 100 * kill)
        last = server.stop()
    assert last["troubles"] == [f"the recorder died {kills} times; it is started again"]
    found, held = totals(tmp_path), stored(tmp_path)
    assert found["answered"] == found["stored"] == len(answered(tmp_path)) > 300 * kills
    assert {found[name] for name in ("repeated", "dropped", "sampled_out")} == {0}
    assert sorted(held) == sorted(answered(tmp_path))


def test_both_killed_at_once_lose_nothing_that_was_answered(tmp_path):
    threads, lives = 3, 4
    for life in range(lives):
        with answering(tmp_path, f"life{life}", threads=threads) as server:
            wanted = len(answered(tmp_path)) + 300
            until(lambda wanted=wanted: len(answered(tmp_path)) >= wanted)
            os.kill(server.recorder(), signal.SIGKILL)
            server.process.kill()
    wait_for_recorder_to_end(tmp_path)
    with answering(tmp_path, "last") as server:
        server.stop()
    found, held = totals(tmp_path), stored(tmp_path)
    assert found["answered"] == found["stored"] + found["dropped"]
    assert (found["stored"], found["repeated"]) == (len(held), 0)
    assert len(held) == len(set(held))
    assert set(answered(tmp_path)) <= set(held)
    assert found["dropped"] <= lives * threads


def test_a_recorder_that_stands_still_fills_the_ring_and_stops_nobody(tmp_path):
    with answering(tmp_path, threads=2, buffer_mb=1, pause=0) as server:
        until(lambda: totals(tmp_path)["stored"] > 100)
        recorder = server.recorder()
        os.kill(recorder, signal.SIGSTOP)
        until(lambda: totals(tmp_path)["dropped"] > 10_000)
        found = totals(tmp_path)
        memory = _peak_mb(server.process.pid)
        until(lambda: totals(tmp_path)["dropped"] > found["dropped"] + 20_000)
        assert _peak_mb(server.process.pid) < memory + 5
        os.kill(recorder, signal.SIGCONT)
        until(lambda: totals(tmp_path)["stored"] > found["stored"] + 500)
        server.stop()
    found, held = totals(tmp_path), stored(tmp_path)
    assert found["answered"] == found["stored"] + found["dropped"] == len(answered(tmp_path))
    assert len(held) == len(set(held)) == found["stored"]
    assert set(held) <= set(answered(tmp_path))


def _peak_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1_024
