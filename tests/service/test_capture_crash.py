"""A server killed with -9 under load: every answer that left is stored, or counted as dropped."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import httpx
import pytest

from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.log import SpoolLog
from loopline.capture.stage import Capture
from loopline.testing.factories import LOOP

pytestmark = pytest.mark.service

INFER = f"/v2/models/{LOOP}/infer"

SERVER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    import uvicorn
    import test_inference_http as test
    served = test.Served(Path(sys.argv[2]))
    print("lost", served.capture.lost, flush=True)
    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets=sockets)
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)
    Server(uvicorn.Config(served.application, port=0, lifespan="off", log_level="warning")).run()
"""


@contextmanager
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    here = Path(__file__).parent
    command = [sys.executable, "-c", textwrap.dedent(SERVER), str(here), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            lost = int(running.stdout.readline().split()[1])
            yield running, lost, f"http://127.0.0.1:{int(running.stdout.readline())}"
        finally:
            running.kill()


def test_after_kill_9_under_load_every_answer_is_stored_or_counted_as_dropped(tmp_path):
    answered: list[str] = []
    totals = {}
    for life in range(2):
        with process(tmp_path) as (running, lost, url):
            assert lost == totals.get("unaccounted", 0)
            clients = [Thread(target=_hammer, args=(url, f"{life}-{number}", answered)) for number in range(6)]
            for client in clients:
                client.start()
            wanted = len(answered) + 250
            while len(answered) < wanted and all(client.is_alive() for client in clients):
                time.sleep(0.005)
            os.kill(running.pid, signal.SIGKILL)
            for client in clients:
                client.join()
        counters, log = FileCounters(tmp_path / "counters"), SpoolLog(tmp_path / "spool.db")
        totals, held = counters.read(), log.end()
        totals["unaccounted"] = totals["answered"] - held - totals["repeated"] - totals["dropped"]
        counters.close()
        log.close()
        assert totals["unaccounted"] >= 0
    counters, log = FileCounters(tmp_path / "counters"), SpoolLog(tmp_path / "spool.db")
    capture = Capture(log, counters=counters)
    capture.close()
    after = counters.read()
    assert capture.lost == totals["unaccounted"]
    assert after["answered"] == after["stored"] + after["dropped"]
    assert after["stored"] == log.end()
    assert after["answered"] >= len(answered)
    held = set(log.scores(after=0, until=log.end()).id.tolist())
    assert len(set(answered) - held) <= after["dropped"]
    assert len(held) == log.end()
    log.close()
    counters.close()


def _hammer(url: str, name: str, answered: list[str]) -> None:
    asked = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good film"]}]}
    number = 0
    with httpx.Client(base_url=url, timeout=10) as client:
        while True:
            number += 1
            try:
                response = client.post(INFER, json=asked | {"id": f"{name}-{number}"})
            except httpx.TransportError:
                return
            answered.append(response.json()["id"])
