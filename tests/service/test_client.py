"""The client and a real server that comes and goes: everything that was given is stored, and nothing twice."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "client" / "src"))
sys.path.insert(0, str(Path(__file__).parent))

from loopline_client import Capture
from test_reporting_http import balanced, folder, free_port, ids, opened, serving  # noqa: F401

pytestmark = pytest.mark.service

KILLED = """
    import sys, time
    sys.path.insert(0, sys.argv[1])
    from loopline_client import Capture
    log = Capture(sys.argv[2], loop="mood", version="v1", spool=sys.argv[3], queue_lines=100_000)
    for number in range(3_000):
        log(f"text {number}", proba=[0.25, 0.75], id=f"killed-{number}")
    print("given", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def port() -> int:
    return free_port()


def until(is_so, what: str) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_server_that_goes_and_comes_back_loses_and_doubles_nothing(folder, port, how):  # noqa: F811
    log = Capture(f"http://127.0.0.1:{port}", loop="mood", version="v1")
    given = []
    with serving(folder, port=port) as (server, _):
        for number in range(2_500):
            given.append(log(f"text {number}", proba=[0.25, 0.75]))
        until(lambda: log.counts.sent > 500, "nothing was sent")
        server.send_signal(how)
        for number in range(2_500):
            given.append(log(f"more {number}", proba=[0.25, 0.75]))
    with serving(folder, port=port):
        assert log.flush(timeout=60)
    assert log.counts == (5_000, 5_000, 0, 0, 0)
    assert log.close()
    house = opened(folder)
    assert sorted(ids(house)) == sorted(given)
    counts = house.counters.read()
    assert balanced(counts)
    assert counts["stored"] == 5_000
    # One that was counted and not yet queued when the server was killed was never acknowledged: it came again.
    assert counts["dropped"] <= (how == signal.SIGKILL)
    house.log.close()


def test_a_client_that_is_killed_leaves_its_spool_to_the_next(folder, port):  # noqa: F811
    url, spool = f"http://127.0.0.1:{port}", folder / "spool"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), sys.path[1], url, str(spool)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "given\n"
        written = lambda: sum(path.read_bytes().count(b"\n") for path in spool.glob("*.lines"))  # noqa: E731
        until(lambda: written() == 3_000, "the lines never came to the disk")
        os.kill(running.pid, signal.SIGKILL)
    with serving(folder, port=port), Capture(url, loop="mood", version="v1", spool=str(spool)) as log:
        log("mine", proba=[0.25, 0.75], id="mine")
        until(lambda: log.counts.accepted == 3_001, "nothing was adopted")
        assert log.flush(timeout=60)
        assert log.counts == (3_001, 3_001, 0, 0, 0)
    house = opened(folder)
    assert sorted(ids(house)) == sorted(["mine", *(f"killed-{number}" for number in range(3_000))])
    assert balanced(house.counters.read())
    house.log.close()


def test_bad_predictions_come_back_as_refused_and_the_good_ones_are_stored(folder, port):  # noqa: F811
    with serving(folder, port=port) as (_, url), Capture(url, loop="mood", version="v1") as log:
        log("good", proba=[0.25, 0.75], id="good")
        log("bad", proba=[0.25, 0.25], id="bad")
        log.outcome("good", "good")
        log.outcome("good", "sad")
        assert log.flush(timeout=30)
        assert log.counts == (4, 2, 0, 2, 0)
        assert log.trouble.startswith("line 2: ")
    with serving(folder, port=port) as (_, url), Capture(url, loop="other", version="v1") as log:
        log("x", proba=[0.25, 0.75])
        until(lambda: log.trouble, "nothing was said")
        assert log.trouble == "the server answered 404: no loop 'other'; known: mood"
        log.close(timeout=0)
    house = opened(folder)
    assert ids(house) == ["good"]
    house.log.close()
