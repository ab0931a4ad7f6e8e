import io
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from loopline.apps.demo.children import Child
from loopline.apps.demo.director import Play, await_port
from loopline.apps.demo.main import run_demo
from loopline.apps.demo.progress import closed_cycles, counts_of, is_labelled, stage_of, table_of
from loopline.errors import Unavailable

pytestmark = pytest.mark.service


def status(number, phase, **more):
    return {"cycle": {"number": number, "phase": phase, "outcome": "promoted" if phase == "closed" else ""}, **more}


def module(folder, text):
    (folder / "acted.py").write_text(text)
    return Child(name="actor", order=("acted",), log=folder / "actor.log")


def until(question):
    deadline = time.monotonic() + 10
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("state", "closed"),
    [
        ({}, 0),
        (status(0, "closed"), 0),
        (status(2, "training"), 1),
        (status(3, "rolling"), 2),
        (status(3, "closed"), 3),
    ],
)
def test_the_first_training_is_no_turn(state, closed):
    assert closed_cycles(state) == closed


@pytest.mark.parametrize(
    ("state", "done"),
    [({}, False), (status(2, "closed"), False), (status(3, "published"), False), (status(3, "labelled"), True),
     (status(4, "open"), True)],
)  # fmt: skip
def test_the_third_batch_is_labelled(state, done):
    assert is_labelled(state, cycle=3) is done


def test_progress_tells_counts_shares_and_what_is_awaited():
    split = {"incumbent": "v1", "challenger": "v2", "basis_points": 1000, "shadow": False}
    now = status(1, "rolling", split=split, counts={"answered": 1210, "repeated": 10}, signals=[{"reason": "moved"}])
    now |= {"progress": {"done": 4, "tasks": 9}, "awaited": "80 more canary answers"}
    assert stage_of(now) == "cycle 1: rolling"
    assert counts_of(now) == "1,200 predictions, 4 of 9 tasks done, v1 90 %, v2 10 %, 1 signal raised"
    console = Console(file=io.StringIO(), width=80)
    console.print(table_of(now, seconds=12.4))
    assert "80 more canary answers" in console.file.getvalue()
    assert "(0 of 3 closed, 12 s)" in console.file.getvalue()


def test_a_child_that_is_killed_is_started_again_and_said_so(folder):
    child = module(folder, "import time\ntime.sleep(60)\n")
    assert child.ensure() == ""
    child._process.kill()
    child._process.wait()
    assert child.ensure() == "the actor ended (signal 9) and was started again"
    assert child.wait(0.0) is None
    child.stop()
    assert child.wait(0.0) is not None


def test_a_child_that_refuses_is_not_started_again(folder):
    child = module(folder, "import sys\nsys.exit(print('port 8686 is taken') or 2)\n")
    child.ensure()
    child.wait(10)
    with pytest.raises(Unavailable, match="the demo's actor: port 8686 is taken; see "):
        child.ensure()
    assert child.starts == 1


def test_a_child_that_keeps_dying_is_given_up(folder):
    child = module(folder, "raise SystemExit(1)\n")
    for _ in range(5):
        child.ensure()
        child.wait(10)
    with pytest.raises(Unavailable, match="it said nothing"):
        child.ensure()
    assert child.starts == 5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux tells children")
def test_no_child_survives_its_killed_parent(folder):
    (folder / "acted.py").write_text(
        "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    text = (
        "import pathlib, time\nfrom loopline.apps.demo.children import Child\n"
        "Child(name='actor', order=('acted',), log=pathlib.Path('actor.log')).ensure()\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", text], cwd=folder)
    until(lambda: (folder / "pid").is_file() and (folder / "pid").read_text())
    child = int((folder / "pid").read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    def is_gone():
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{child}/stat").read_text().rsplit(") ", 1)[1].startswith("Z")

    until(is_gone)


def test_a_taken_port_is_one_clear_line_and_code_2(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = run_demo(once=True, offline=True, json_path=None, folder=tmp_path, port=port)
    assert code == 2
    reason = f"port {port} on 127.0.0.1: Address already in use"
    assert capsys.readouterr().err == f"loopline: {reason}; choose another with --port\n"


def test_a_folder_that_is_a_file_is_one_clear_line_and_code_2(tmp_path, capsys):
    (tmp_path / "there").write_text("")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = run_demo(once=True, offline=True, json_path=None, folder=tmp_path / "there", port=port)
    assert code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_free_port_is_not_awaited():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await_port(port, patience_seconds=0.0)


def test_a_play_without_a_server_has_no_status(tmp_path):
    play = Play(folder=tmp_path, port=1, console=Console(file=io.StringIO()))
    assert play.status() == {}
    play.end()
