"""The doors for what others served, and ``loopline import``, with real processes, a real log and real files."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from loopline.apps.config import load_settings
from loopline.apps.wiring import FOLDER, House, open_house

pytestmark = pytest.mark.service

LOOP = """
[loop]
name = "mood"
labels = ["bad", "good"]
input = "text"
[train]
run = "train.py:train"
base = "base.csv"
"""
SERVER = """
    import sys
    from pathlib import Path
    import uvicorn
    from loopline.adapters.ring.queue import RingQueue
    from loopline.apps.config import load_settings
    from loopline.apps.http.reporting import make_reporting
    from loopline.apps.recorder.child import RecorderChild
    from loopline.apps.recorder.words import RING
    from loopline.apps.wiring import FOLDER, hold, open_house
    from loopline.capture.stage import Capture
    settings = load_settings(Path(sys.argv[1]) / "loop.toml")
    root = Path(settings.folder) / FOLDER
    with hold(root):
        house = open_house(settings, root=root)
        recorder = RecorderChild(settings, root)
        capture = Capture(RingQueue(root / RING, size=1 << 20), counters=house.counters)
        class Server(uvicorn.Server):
            async def startup(self, sockets=None):
                await super().startup(sockets=sockets)
                print(self.servers[0].sockets[0].getsockname()[1], flush=True)
        reporting = make_reporting(capture, settings=settings, outcomes=house.outcomes)
        Server(uvicorn.Config(reporting, port=int(sys.argv[2]), lifespan="off", log_level="warning")).run()
        capture.close()
        recorder.close()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loop.toml").write_text(LOOP)
    (tmp_path / "train.py").write_text("def train(dataset, run): ...\n")
    (tmp_path / "base.csv").write_text("text,label\nfine,good\nawful,bad\n")
    return tmp_path


@contextmanager
def serving(folder: Path, *, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", textwrap.dedent(SERVER), str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running, f"http://127.0.0.1:{int(running.stdout.readline())}"
        finally:
            running.terminate()
            assert running.wait(30) in (0, -signal.SIGTERM, -signal.SIGKILL)


def opened(folder: Path) -> House:
    settings = load_settings(folder / "loop.toml")
    return open_house(settings, root=Path(settings.folder) / FOLDER)


def ids(house: House) -> list[str]:
    return house.log.scores(after=0, until=house.log.end()).id.tolist()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def served(name: str, **changes: Any) -> dict[str, Any]:
    return {"id": name, "model": "v1", "text": f"text of {name}", "probabilities": [0.25, 0.75]} | changes


def balanced(counts: dict[str, int]) -> bool:
    fates = ("stored", "repeated", "dropped", "sampled_out")
    return counts["answered"] == sum(counts[fate] for fate in fates)


def test_what_was_acknowledged_is_there_after_kill_9_of_the_server(folder):
    acknowledged: list[str] = []
    for life in range(3):
        with serving(folder) as (server, url):
            for batch in range(5):
                names = [f"{life}-{batch}-{number}" for number in range(200)]
                answer = httpx.post(f"{url}/v1/predictions", json=[served(name) for name in names], timeout=30)
                assert answer.json() == {"accepted": 200}
                acknowledged += names
            told = [{"prediction": name, "label": "good"} for name in names]
            assert httpx.post(f"{url}/v1/outcomes", json=told, timeout=30).json() == {"accepted": 200}
            server.kill()
    with serving(folder):
        pass
    house = opened(folder)
    assert sorted(ids(house)) == sorted(acknowledged)
    assert len(house.outcomes.after(0, loop=house.settings.name, most=9_999)) == 600
    counts = house.counters.read()
    assert balanced(counts)
    assert (counts["stored"], counts["dropped"]) == (3_000, 0)
    house.log.close()


def loopline(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loopline", *map(str, words)]
    plain = os.environ | {"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=plain, timeout=100)


def test_files_are_imported_without_a_server_and_again(folder):
    lines = [json.dumps(served(f"p{number}")) for number in range(3_000)]
    lines[10], lines[20] = "{", json.dumps(served("p20", probabilities=[1.0]))
    (folder / "served.jsonl").write_text("\n".join(lines))
    dry = loopline("import", "served.jsonl", "--dry-run", cwd=folder)
    assert (
        dry.stdout
        == "nothing was stored; it would have been: 3,000 rows read from 1 file: 2,998 stored, 0 repeated, 2 bad\n"
    )
    first = loopline("import", "served.jsonl", cwd=folder)
    assert first.stdout == "3,000 rows read from 1 file: 2,998 stored, 0 repeated, 2 bad\n"
    assert first.stderr.splitlines() == [
        "served.jsonl line 11: Input data was truncated, expected a JSON object",
        "served.jsonl line 21: probabilities with shape (1, 1), expected (1, 2)",
    ]
    assert first.returncode == 1
    again = loopline("import", "served.jsonl", "--json", cwd=folder)
    account = {"files": 1, "read": 3_000, "stored": 0, "repeated": 2_998, "sampled_out": 0, "bad": 2, "ignored": []}
    assert json.loads(again.stdout) == account
    strict = loopline("import", "served.jsonl", "--strict", cwd=folder)
    assert (strict.returncode, "line 11: Input data was truncated" in strict.stderr) == (2, True)
    house = opened(folder)
    assert house.log.end() == 2_998
    assert balanced(house.counters.read())
    house.log.close()


def test_files_are_imported_through_a_server_that_runs(folder):
    (folder / "served.jsonl").write_text("\n".join(json.dumps(served(f"p{number}")) for number in range(3_000)))
    (folder / "told.csv").write_text("prediction,label\np1,bad\np2,good\n")
    command = [sys.executable, "-m", "loopline", "up", "--port", str(free_port())]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert "serves mood" in server.stdout.readline()
            first = loopline("import", "served.jsonl", cwd=folder)
            assert first.stdout == "3,000 rows read from 1 file: 3,000 stored, 0 repeated, 0 bad\n", first.stderr
            again = loopline("import", "served.jsonl", cwd=folder)
            assert again.stdout == "3,000 rows read from 1 file: 0 stored, 3,000 repeated, 0 bad\n"
            for repeated in (0, 2):
                told = loopline("import", "told.csv", "--outcomes", cwd=folder)
                assert told.stdout == f"2 rows read from 1 file: {2 - repeated} stored, {repeated} repeated, 0 bad\n"
        finally:
            server.terminate()
    house = opened(folder)
    assert len(set(ids(house))) == 3_000
    assert balanced(house.counters.read())
    house.log.close()


def test_many_bad_rows_are_counted_and_the_first_shown(folder):
    (folder / "told.csv").write_text("prediction,label\n" + "p1,sad\n" * 50 + "p1,good\n")
    run = loopline("import", "told.csv", "--outcomes", cwd=folder)
    assert run.stdout == "51 rows read from 1 file: 1 stored, 0 repeated, 50 bad\n"
    assert len(run.stderr.splitlines()) == 21
    assert run.stderr.splitlines()[-1] == "... and 30 more bad rows"
    (folder / "told.csv").write_text("prediction,label\np2,bad\n")
    assert loopline("import", "told.csv", "--outcomes", cwd=folder).returncode == 0


def test_an_import_that_is_killed_is_finished_by_the_next(folder):
    lines = [json.dumps(served(f"p{number}")) for number in range(40_000)]
    (folder / "served.jsonl").write_text("\n".join(lines))
    command = [sys.executable, "-m", "loopline", "import", "served.jsonl"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        counters, end = folder / FOLDER / "log" / "counters", time.monotonic() + 60
        while not (counters.is_file() and any(counters.read_bytes())):
            assert time.monotonic() < end
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    done = loopline("import", "served.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    house = opened(folder)
    assert sorted(ids(house)) == sorted(f"p{number}" for number in range(40_000))
    counts = house.counters.read()
    assert balanced(counts)
    assert counts["stored"] == 40_000
    house.log.close()
