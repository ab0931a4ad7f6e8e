"""The pictures of the documents, taken of the demo's own run: what a stranger sees is what they show."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("LOOPLINE_SCREENSHOTS"), reason="set LOOPLINE_SCREENSHOTS=1 to take pictures"
    ),
]

SECONDS = 600
PICTURES = {"overview": "/", "cycle": "/cycles/2", "signals": "/signals"}


def test_the_pictures_show_a_run_of_the_demo(browser: Browser, shots: Path, tmp_path: Path) -> None:
    told = tmp_path / "told.txt"
    with told.open("wb") as out:
        order = [sys.executable, "-m", "loopline", "demo", "--dir", str(tmp_path / "demo"), "--port", "8687"]
        demo = subprocess.Popen(order, stdout=out, stderr=subprocess.STDOUT)
        try:
            entrance = address(told, demo)
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.goto(entrance)
            for name, path in PICTURES.items():
                page.goto(entrance.partition("/?")[0] + path)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=shots / f"{name}.png", full_page=True)
        finally:
            demo.terminate()
            demo.wait(30)
    assert all((shots / f"{name}.png").is_file() for name in PICTURES)


def address(told: Path, demo: "subprocess.Popen[bytes]") -> str:
    """Where the pages are, once the demo has said so."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline and demo.poll() is None:
        for line in told.read_text().splitlines():
            if line.startswith("pages: "):
                return line.removeprefix("pages: ")
        time.sleep(1)
    raise AssertionError(told.read_text()[-3000:])
