"""The command as a person meets it: what it prints, and with what code it leaves."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from loopline import __version__
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.apps.cli import preflight
from loopline.apps.cli.door import Request, ask, read
from loopline.apps.cli.health import pages
from loopline.apps.cli.main import line_of
from loopline.apps.cli.preflight import loopback
from loopline.apps.config import load_settings
from loopline.apps.wiring import FOLDER, hold
from loopline.errors import Conflict, LooplineError, Unavailable
from loopline.testing import factories as make

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


def loopline(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loopline", *map(str, words)]
    plain = os.environ | {"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=plain, timeout=60)


def refused(run: subprocess.CompletedProcess[str]) -> str:
    """The line on standard error of a command that left with code 2."""
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr.removeprefix("loopline: ").strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loop.toml").write_text(LOOP)
    (tmp_path / "train.py").write_text("def train(dataset, run): ...\n")
    (tmp_path / "base.csv").write_text("text,label\nfine,good\nawful,bad\n")
    return tmp_path


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_help_names_every_command(tmp_path):
    run = loopline("--help", cwd=tmp_path)
    assert run.returncode == 0
    for command in ("init", "up", "demo", "tick", "status", "why", "doctor", "version"):
        assert f" {command} " in run.stdout


def test_help_needs_no_heavy_library(tmp_path):
    heavy = "numpy, scipy, sklearn, pyarrow, sqlalchemy, litestar, onnxruntime, faiss, httpx"
    code = f"import sys, loopline.apps.cli.main; print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run.stdout.strip() == "[]"


def test_version(tmp_path):
    assert loopline("version", cwd=tmp_path).stdout == f"loopline {__version__}\n"


@pytest.mark.parametrize("command", [["up"], ["status"], ["tick"], ["why", "v1", "--loop"]])
def test_a_missing_loop_is_one_line(tmp_path, command):
    assert refused(loopline(*command, "absent.toml", cwd=tmp_path)) == "no file 'absent.toml'"


def test_a_broken_loop_is_told_whole(folder):
    (folder / "loop.toml").write_text(LOOP.replace('"text"', '"sound"') + "[select]\nbudgte = 3\n")
    assert refused(loopline("up", cwd=folder)).splitlines() == [
        "loop.toml: 2 problems, expected none; mend every line below",
        '  loop.input: found "sound", allowed: "text" or "tabular" or "image"',
        "  select.budgte: found an unknown key, allowed: when, strategy, budget, explore, quota, weekly, throughput, "
        "compare, fallback, launcher; did you mean budget?",
    ]


def test_a_taken_port_is_one_line(folder, taken_port):
    line = refused(loopline("up", "--port", str(taken_port), cwd=folder))
    assert line == f"port {taken_port} on 127.0.0.1: Address already in use; choose another with --port"


def test_a_folder_that_takes_no_files_is_one_line(folder):
    (folder / ".loopline").write_text("a file where the folder belongs")
    line = refused(loopline("up", cwd=folder))
    assert line.startswith(f"folder {folder.resolve() / '.loopline'}: ")
    assert line.endswith("; choose one that you may write to")


def test_a_second_process_on_the_same_folder_is_one_line(folder):
    root = folder / ".loopline"
    root.mkdir()
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        line = refused(loopline("up", cwd=folder))
    assert line == f"folder {root.resolve()}: in use by process 4711, expected free; stop that one first"


def test_others_cannot_be_let_in_by_accident(folder):
    line = refused(loopline("up", "--host", "0.0.0.0", cwd=folder))
    assert line.startswith("host 0.0.0.0: reachable by others or unknown, expected a loopback address")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_this_machine_is_let_in(host):
    loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "::", "example.org", ""])
def test_other_addresses_are_refused(host):
    with pytest.raises(Conflict, match="expected a loopback address"):
        loopback(host)


def free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as holder:
        try:
            holder.bind((host, 0))
        except OSError as error:
            pytest.skip(f"{host} is no address of this machine: {error}")
        return int(holder.getsockname()[1])


@contextmanager
def running(folder: Path, host: str) -> Iterator[str]:
    """``loopline up`` on this address, as another process; the address that it prints. Its log is in ``folder/log``."""
    command = [sys.executable, "-m", "loopline", "up", "--host", host, "--port", str(free_port(host))]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            line = server.stdout.readline().strip()
            assert line, (folder / "log").read_text()
            yield line.removeprefix("Loopline serves mood: ")
        finally:
            server.terminate()


def told_by_status(folder: Path, key: str) -> Any:
    """What the status of the running loop holds under this key, as soon as it holds anything."""
    settings, found = load_settings(folder / "loop.toml"), None
    for _ in range(600):
        with suppress(Unavailable):  # the address is printed a moment before it is served
            found = ask(settings, Request("GET", "/api/status", {}), root=folder / FOLDER)[key]
        if found:
            break
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(("host", "spoken"), [("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")])
def test_a_loop_on_another_address_of_this_machine_answers_there(folder, host, spoken):
    with running(folder, host) as address:
        assert address.startswith(f"http://{spoken}:")
        assert told_by_status(folder, "loop") == "mood"
        signed_in = httpx.get(address, trust_env=False)
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")


def test_a_version_that_cannot_be_loaded_is_told_by_status_and_log(folder):
    settings = load_settings(folder / "loop.toml")
    lost = make.model_version(loop=settings.name, signature=settings.signature)
    (folder / FOLDER).mkdir()
    database = open_database(f"sqlite:///{folder / FOLDER / 'state.db'}")
    SqlLedger(database).commit(make.entry("lost", lost, make.split(loop=settings.name)))
    database.dispose()
    with running(folder, "127.0.0.1"):
        (trouble,) = told_by_status(folder, "troubles")
        assert trouble.startswith("v1 is not loaded: ")
        assert trouble.endswith(". No version answers")
        assert f"trouble   {trouble}" in loopline("status", cwd=folder).stdout
    assert (folder / "log").read_text().count(f"loopline.server WARNING {trouble}") == 1


def test_the_demo_refuses_a_bad_folder_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    assert refused(loopline("demo", "--offline", "--dir", "file/below", cwd=tmp_path)).endswith("Not a directory")


def test_the_doctor_tells_what_is_wrong_and_goes_on(folder, taken_port):
    run = loopline("doctor", "--json", "--port", str(taken_port), "absent.toml", cwd=folder)
    checks = {check["name"]: check for check in json.loads(run.stdout)}
    assert run.returncode == 2
    assert checks["python"]["is_well"]
    assert checks["packages"]["is_well"]
    assert not checks[f"port {taken_port}"]["is_well"]
    assert checks["absent.toml"]["found"] == "no file 'absent.toml'"


def examined(folder: Path, *, port: int = 8686) -> dict[str, dict[str, object]]:
    run = loopline("doctor", "--json", "--port", str(port), cwd=folder)
    assert run.stdout, run.stderr
    return {check["name"]: check for check in json.loads(run.stdout)}


def test_the_doctor_does_not_take_an_empty_folder_for_built_pages(tmp_path):
    assert pages(tmp_path) == ("pages", False, f"not built: {tmp_path / 'style.css'} is missing; install again")
    (tmp_path / "style.css").write_text("")
    assert pages(tmp_path) == ("pages", True, "built")


def test_the_doctor_looks_into_the_folder_that_up_uses():
    assert preflight.FOLDER == FOLDER


def test_the_doctor_misses_no_folder_that_cannot_be_written(folder):
    (folder / FOLDER).write_text("a file where the folder belongs")
    check = examined(folder)["folder"]
    assert not check["is_well"]
    assert str(check["found"]).endswith("; choose one that you may write to")


def test_a_folder_of_another_user_is_not_writable():
    """A folder that is read-only for us: for root, seen as nobody sees it."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o555)
        mine = os.geteuid()
        try:
            if mine == 0:
                os.seteuid(65_534)
            with pytest.raises(Unavailable, match="Permission denied; choose one that you may write to"):
                preflight.writable(Path(place) / FOLDER)
        finally:
            os.seteuid(mine)
            Path(place).chmod(0o755)


def test_looking_at_a_folder_leaves_nothing_behind(folder):
    before = sorted(folder.iterdir())
    preflight.writable(folder / FOLDER)
    assert preflight.running(folder / FOLDER) == ""
    assert sorted(folder.iterdir()) == before


def test_the_doctor_says_that_this_very_loop_runs_instead_of_a_taken_port(folder, held):
    address = (held / "address").read_text()
    port = int(address.rpartition(":")[2])
    check = examined(folder, port=port)[f"port {port}"]
    assert check["is_well"]
    assert check["found"] == f"this loop runs at {address}"


def test_the_doctor_looks_into_the_files_that_loop_toml_names(folder):
    (folder / "base.csv").write_text("text,label\nfine,good\nnice,good\n")
    checks = examined(folder)
    assert checks["loop.toml"]["is_well"]
    assert not checks["files"]["is_well"]
    assert "train.base: found base.csv with the label good only" in str(checks["files"]["found"])


def test_up_starts_nothing_while_a_file_holds_a_foreign_label(folder):
    (folder / "base.csv").write_text("text,label\nfine,good\nawful,worst\n")
    assert refused(loopline("up", cwd=folder)).splitlines() == [
        "files of loop mood: 1 problem, expected none; mend every line below",
        "  train.base: found base.csv line 3: label 'worst', allowed: one of bad, good",
    ]
    assert not (folder / FOLDER).exists()


def test_what_the_system_refuses_is_one_line():
    assert line_of(OSError(28, "No space left on device")) == "No space left on device; free some space"


def test_a_refusal_is_told_in_the_loops_own_words():
    answer = httpx.Response(404, json={"error": "no prediction 'p9'"})
    with pytest.raises(LooplineError, match=r"^no prediction 'p9'$"):
        read(answer)


class Held(BaseHTTPRequestHandler):
    """A loop that is up elsewhere: it answers who knows its token."""

    def do_GET(self) -> None:
        is_known = self.headers["authorization"] == "Bearer open-sesame"
        body = json.dumps({"asked": self.path} if is_known else {"error": "token: found a wrong one"}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def held(folder: Path) -> Iterator[Path]:
    """The folder of a loop that another server holds."""
    root = folder / ".loopline"
    with hold(root), ThreadingHTTPServer(("127.0.0.1", 0), Held) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        (root / "token").write_text("open-sesame")
        (root / "address").write_text(f"http://127.0.0.1:{server.server_port}")
        yield root
        server.shutdown()
        thread.join()


def test_a_running_loop_is_asked_over_http_with_its_token(folder, held):
    request = Request("GET", "/api/why", {"id": "v 2"})
    assert ask(load_settings(folder / "loop.toml"), request, root=held) == {"asked": "/api/why?id=v+2"}


def test_a_running_loop_with_another_token_refuses(folder, held):
    (held / "token").write_text("guessed")
    with pytest.raises(LooplineError, match=r"^token: found a wrong one$"):
        ask(load_settings(folder / "loop.toml"), Request("GET", "/api/status", {}), root=held)


def test_a_held_loop_that_does_not_answer_is_one_sentence(folder, held):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (held / "address").write_text(f"http://127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(Unavailable, match=r"does not answer at http://127.0.0.1:.* try again"):
            ask(load_settings(folder / "loop.toml"), Request("GET", "/api/status", {}), root=held)


def test_a_loop_that_is_not_running_still_answers(folder):
    status = loopline("status", "--json", cwd=folder)
    assert status.returncode == 0, status.stderr
    assert json.loads(status.stdout)["loop"] == "mood"
    why = refused(loopline("why", "nothing-like-it", cwd=folder))
    assert "nothing-like-it" in why
