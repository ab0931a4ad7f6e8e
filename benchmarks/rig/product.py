"""Loopline as its user starts it: a ``loop.toml`` in a folder, and ``loopline up``."""

import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from rig.processes import PATIENCE_SECONDS, Family, free_port

LOOP = """\
[loop]
name = "bench"
labels = ["benign", "malignant"]
input = "tabular"
width = 30
[serve]
model = "{model}"
checks = "checks.jsonl"
{more}"""
INFER = "/v2/models/bench/infer"
RECORDER = "loopline.apps.recorder"


def write_loop(folder: Path, *, model: str, more: str = "") -> None:
    """The ``loop.toml`` of a loop that serves this model."""
    (folder / "loop.toml").write_text(LOOP.format(model=model, more=more))


def start(folder: Path, *, environment: Mapping[str, str] | None = None) -> Family:
    """``loopline up`` on the folder, once its model answers. Raises RuntimeError with the end of its log."""
    port = free_port()
    order = [sys.executable, "-m", "loopline", "up", str(folder / "loop.toml"), "--port", str(port)]
    family = Family(order, folder=folder, environment=environment or {}, port=port)
    try:
        family.wait_for_port()
        _wait_until_ready(family)
    except BaseException:
        family.stop()
        raise
    return family


def token(folder: Path) -> str:
    """What opens the loop in this folder."""
    return (folder / ".loopline" / "token").read_text().strip()


def headers(folder: Path) -> dict[str, str]:
    """What each request to the loop in this folder carries."""
    return {"Authorization": f"Bearer {token(folder)}"}


def hold_recorder(family: Family) -> list[int]:
    """Stop its recorder as a debugger would: it lives, and does nothing. The process ids."""
    return family.signal(signal.SIGSTOP, naming=RECORDER)


def free_recorder(family: Family) -> list[int]:
    """Let its recorder go on."""
    return family.signal(signal.SIGCONT, naming=RECORDER)


def _wait_until_ready(family: Family) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and family.process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{family.port}/v2/health/ready", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"no model answers:\n{family.log_tail()}")
