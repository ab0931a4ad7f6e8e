"""The documentation as a reader follows it: each page is one session against a real ``loopline up``, and prints what
it shows. ``...`` in what is shown stands for anything.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pytest
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from loopline.apps.config import load_settings

pytestmark = pytest.mark.service

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("serving", "capture", "log", "selection", "questions", "people", "annotation")
BLOCK = re.compile(r"^(?:<!-- (?P<mark>[\w.]+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
SHOWN_AT = re.compile(r"(localhost|127\.0\.0\.1):8686")
BIN = Path(sys.executable).parent
PATIENCE = 120


class Block(NamedTuple):
    """One fenced block of a page."""

    kind: str
    text: str
    mark: str


class Server(NamedTuple):
    """A loop that runs."""

    home: Path
    port: int
    token: str


def blocks(page: str) -> list[Block]:
    text = (DOCS / f"{page}.md").read_text()
    return [Block(found["kind"], found["text"], found["mark"] or "") for found in BLOCK.finditer(text)]


def loop_of(page: str) -> str:
    (loop,) = (block.text for block in blocks(page) if block.mark == "loop.toml")
    return loop


def write_model(home: Path) -> None:
    """The model, the rows and the trainer that pages take for granted."""
    rows, target = load_breast_cancer(return_X_y=True)
    rows, labels = rows[:, :4], np.array(["malignant", "benign"])[target]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(rows, labels)
    onnx = to_onnx(model, rows[:1].astype(np.float32), options={"zipmap": False})
    (home / "model.onnx").write_bytes(onnx.SerializeToString())
    lines = [",".join(map(str, [*row, label])) for row, label in zip(rows[:200].tolist(), labels, strict=False)]
    (home / "rows.csv").write_text("\n".join(["radius,texture,perimeter,area,label", *lines]))
    (home / "train.py").write_text("def train(dataset, run): ...\n")


@contextmanager
def running(page: str, home: Path) -> Iterator[Server]:
    (home / "loop.toml").write_text(loop_of(page))
    write_model(home)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with (home / "up.log").open("w") as out:
        command = [BIN / "loopline", "up", "--port", str(port)]
        process = subprocess.Popen(command, cwd=home, env=environment(), stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + PATIENCE
        while "Loopline serves" not in (told := (home / "up.log").read_text()) or not answers(port):
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
        yield Server(home, port, (home / ".loopline" / "token").read_text())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


def environment(token: str = "") -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("OBJECT_STORE", "DATABASE_URL")}
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return inherited | {"PATH": path, "LOOPLINE_TOKEN": token, "PYTHONPATH": str(ROOT / "client" / "src")}


def session(page: str, server: Server) -> list[tuple[Block, str, int]]:
    """Each block that can be run with what it printed and its exit code; one shell for the whole page."""
    run = [block for block in blocks(page) if block.kind in ("sh", "python")]
    script = []
    for number, block in enumerate(run):
        text = SHOWN_AT.sub(rf"\1:{server.port}", block.text)
        if block.kind == "python":
            (server.home / f"block{number}.py").write_text(text)
            text = f"python block{number}.py\n"
        script.append(f"{{\n{text}}} > out{number} 2>&1\necho $? > code{number}\n")
    command = ["bash", "-u", "-o", "pipefail", "-c", "".join(script)]
    subprocess.run(command, cwd=server.home, env=environment(server.token), check=False, timeout=PATIENCE)
    at = server.home
    return [
        (block, (at / f"out{n}").read_text(), int((at / f"code{n}").read_text() or 1)) for n, block in enumerate(run)
    ]


def expected(page: str) -> dict[str, str]:
    """Text of a block that can be run -> what the page says that it prints."""
    found = blocks(page)
    return {
        block.text: after.text
        for block, after in pairwise(found)
        if block.kind in ("sh", "python") and after.kind == "text"
    }


def exposed(server: Server) -> set[str]:
    """The names of our own metrics, without the endings of their parts."""
    answer = httpx.get(f"http://127.0.0.1:{server.port}/metrics", headers={"authorization": f"Bearer {server.token}"})
    found = re.findall(r"^# TYPE (loopline_\w+)", answer.text, re.MULTILINE)
    return set(found) - {"loopline_build_info"}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_what_it_shows(page, tmp_path):
    with running(page, tmp_path) as server:
        wanted, checker, told = expected(page), OutputChecker(), []
        for block, printed, code in session(page, server):
            shown = wanted.get(block.text)
            if shown is None:
                is_so = code == 0
            else:
                is_so = checker.check_output(shown, printed, ELLIPSIS | NORMALIZE_WHITESPACE)
            if not is_so:
                told.append(f"{block.text}\nprinted, with code {code}:\n{printed}\nexpected:\n{shown}")
        assert not told, "\n".join(told)
        if page == "serving":
            named = set(re.findall(r"`(loopline_\w+)`", (DOCS / "serving.md").read_text()))
            assert named == exposed(server)


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_that_a_page_shows_are_valid(page, tmp_path):
    for name in ("model.onnx", "rows.csv", "train.py"):
        (tmp_path / name).touch()
    for block in blocks(page):
        if block.kind == "toml":
            base = "" if block.mark else loop_of(page)
            (tmp_path / "loop.toml").write_text(base + block.text)
            load_settings(tmp_path / "loop.toml")
