"""The whole demo, as a person starts it: the loop closes, and killing it changes nothing but the time it takes."""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.service]

SECONDS = 900
KILLS = 3
CARELESS = "dora"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(folder, result, port, *, log):
    order = [
        sys.executable,
        "-m",
        "loopline",
        "demo",
        "--once",
        "--offline",
        "--json",
        str(result),
        "--dir",
        str(folder),
    ]
    return subprocess.Popen(
        [*order, "--port", str(port)],
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=folder.parent,
        # a suite that runs in the background ignores Ctrl-C, and would hand that down
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no thread runs here
    )


def finished(process, log):
    try:
        code = process.wait(SECONDS)
    finally:
        process.kill()
        process.wait()
    assert code == 0, Path(log.name).read_text()[-4000:]


def played(folder, result, *, port):
    with (folder.parent / "demo.txt").open("ab") as log:
        finished(started(folder, result, port, log=log), log)
    return json.loads(result.read_text())


def server_of(folder):
    """The pid of the process that holds the loop's folder; 0 when there is none."""
    try:
        pid = int((folder / ".loopline" / "lock").read_text() or 0)
        return pid if b"loopline" in Path(f"/proc/{pid}/cmdline").read_bytes() else 0
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return 0


def answered(folder):
    """Requests that the traffic's journal holds for answered."""
    path = folder / "demo" / "traffic.json"
    return json.loads(path.read_text())["answered"] if path.is_file() else 0


def stored_answers(folder):
    with closing(sqlite3.connect(folder / ".loopline" / "state.db")) as state:
        return [row[0] for row in state.execute("SELECT id FROM annotation")]


def accepted_answers(folder):
    lines = (json.loads(line) for line in (folder / "demo" / "people.jsonl").read_text().splitlines())
    return [line["id"] for line in lines if "id" in line]


def assert_closed(found):
    new = {version["name"]: version["accuracy_new"] for version in found["versions"]}
    assert found["cycles"] >= 3
    assert found["promoted"]
    assert max(new.values()) >= new["v1"] + 0.08
    assert found["lineage_complete"] is True
    assert found["predictions_answered"] == found["records_stored"] + found["drops"]
    assert found["predictions_answered"] > 3_000
    assert found["signals"]
    assert found["flagged_annotators"] == [CARELESS]
    assert all(low <= new[v["name"]] <= high for v in found["versions"] for low, high in [v["ci"]])
    assert 0 < found["random_accuracy_new"] < 1
    assert {"chosen", "audit", "reserve"} <= set(found["labels"])


def assert_answers_kept(folder):
    """Every answer that a person was told is accepted is in the state, once, and nothing else is."""
    stored, accepted = Counter(stored_answers(folder)), set(accepted_answers(folder))
    assert set(stored.values()) == {1}
    lost = accepted - set(stored)
    assert not lost
    # an answer may be stored although its sender was killed, or the connection cut, before it was noted
    assert len(set(stored) - accepted) <= 5 * 10 * (KILLS + 1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "loop"
    folder.mkdir()
    return folder, played(folder, folder.parent / "result.json", port=free_port())


def test_the_loop_closes(undisturbed):
    folder, found = undisturbed
    assert_closed(found)
    assert_answers_kept(folder)


def test_a_finished_demo_tells_the_same_again_without_playing(undisturbed):
    folder, found = undisturbed
    assert played(folder, folder.parent / "again.json", port=free_port()) == found


def test_no_process_is_left_behind(undisturbed):
    folder, _ = undisturbed
    assert server_of(folder) == 0
    orders = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert not [order for order in orders if str(folder).encode() in order]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the server through /proc")
def test_killing_the_server_three_times_loses_and_doubles_nothing(tmp_path):
    folder, port = tmp_path / "loop", free_port()
    folder.mkdir()
    moments = sorted(random.Random(2).sample(range(200, 3_500), KILLS))
    with (tmp_path / "demo.txt").open("ab") as log:
        process = started(folder, tmp_path / "result.json", port, log=log)
        killed = []
        while process.poll() is None and len(killed) < KILLS:
            pid = server_of(folder)
            if answered(folder) >= moments[len(killed)] and pid and pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.05)
        finished(process, log)
    assert len(killed) == KILLS, "the demo ended before the last kill"
    assert (tmp_path / "demo.txt").read_text().count("the server ended (signal 9) and was started again") == KILLS
    assert_closed(json.loads((tmp_path / "result.json").read_text()))
    assert_answers_kept(folder)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux ends the children")
def test_interrupting_and_killing_the_demo_itself_and_starting_it_again_goes_on(tmp_path):
    folder, port = tmp_path / "loop", free_port()
    folder.mkdir()
    with (tmp_path / "demo.txt").open("ab") as log:
        for requests, sent, code in ((700, signal.SIGINT, 130), (1_500, signal.SIGKILL, -signal.SIGKILL)):
            process = started(folder, tmp_path / "result.json", port, log=log)
            while process.poll() is None and answered(folder) < requests:
                time.sleep(0.05)
            process.send_signal(sent)
            assert process.wait(60) == code
    assert (tmp_path / "demo.txt").read_text().count("interrupted; the same command goes on from here") == 1
    before = answered(folder)
    assert_closed(played(folder, tmp_path / "result.json", port=port))
    assert answered(folder) > before
    assert_answers_kept(folder)
