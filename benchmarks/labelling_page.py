"""How long a person waits on the labelling page from a key press until the next task is painted.

A real Chromium against a real ``loopline up``, 80 ms away by a proxy that delays every segment (``rig/distance.py``);
each task is an image of noise of about 180 KB, different for every task. Keys are pressed as people press them, first
at a person's pace (log-normal, median 0.7 s), then 0.15 s after each task has come, which is as fast as anyone reacts.

What is measured lies in the page itself: from the timestamp that the browser gives the key event to the first moment
at which the next task stands there, its image complete and decoded, and a frame with it has been drawn: the callback
of ``requestAnimationFrame`` posts a message, whose task runs after that frame's style, layout and paint. Where the
browser's own Event Timing, which ends when the frame is on the screen and counts in steps of 8 ms, says more, that
counts. A press after which nothing is ready counts until something is. ``p50_ms``, ``p95_ms`` and ``p99_ms`` are over
all presses of both paces; ``fastest_p95_ms`` and ``person_p95_ms`` over those of each. ``js_kb_gzip``: all scripts that
the page loads to label, by gzip, in units of 1,024 bytes; in Chinese beside it, and ``on_demand_kb_gzip`` for what is
only fetched by who changes keys or labels a cluster. ``axe_violations``: of axe-core on the desk, its dialogs and its
sheet, light and dark. ``lost``: presses without a stored answer. The last line is one JSON object.
"""

import argparse
import gzip
import io
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rig import axe
from rig.distance import distant
from rig.processes import PATIENCE_SECONDS, Family, end_in_order, free_port
from rig.product import token

from loopline.apps.config import load_settings
from loopline.apps.web.render import STATIC
from loopline.apps.wiring import FOLDER, open_house
from loopline.records.cycle import Cycle
from loopline.records.ids import CommandId, LoopName, PredictionId, TaskId
from loopline.records.lineage import Entry
from loopline.records.task import Task
from loopline.testing.factories import digest

NAME = LoopName("bench")
ROUND_TRIP_SECONDS = 0.080
SIDE, QUALITY = 430, 92
"""Of a picture of noise: about 180 KB as JPEG."""
FASTEST_SECONDS = 0.15
WARM = 10
"""First answers that are not counted: the page gets to know the person's pace."""
LOOP = f"""\
[loop]
name = "{NAME}"
labels = ["crack", "scratch", "clean"]
input = "image"
preprocessing = "rgb-32x32-chw-unit.v1"
[serve]
model = "elsewhere"
"""
WATCH = """
(() => {
  const presses = window.__presses = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const press = presses.find((one) => Math.abs(one.at - entry.startTime) < 0.5);
      if (entry.name === "keydown" && press) press.presented = entry.duration;
    }
  }).observe({ type: "event", durationThreshold: 16, buffered: true });
  addEventListener("keydown", (event) => {
    const desk = document.querySelector("#task");
    const before = desk.dataset.task;
    const press = { at: event.timeStamp, ms: 0, presented: 0 };
    const { port1, port2 } = new MessageChannel();
    const frame = () => requestAnimationFrame(() => port2.postMessage(0));
    port1.onmessage = () => {
      const image = document.querySelector("#row img");
      if (desk.hidden || desk.dataset.task === before || !image?.complete || !image.naturalWidth) return frame();
      press.ms = performance.now() - event.timeStamp;
      presses.push(press);
    };
    frame();
  }, true);
})();
"""


def picture(seed: int) -> bytes:
    """A JPEG of noise."""
    noise = np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def published(folder: Path, *, tasks: int) -> float:
    """A batch of pictures in the ledger of a new loop; their mean size in bytes."""
    (folder / "loop.toml").write_text(LOOP)
    house = open_house(load_settings(folder / "loop.toml"), root=folder / FOLDER)
    now = datetime.now(UTC)
    batch = tuple(
        Task(
            id=TaskId(f"t{n:05d}"), loop=NAME, cycle=1, sample=PredictionId(f"p{n}"), content=digest(row := picture(n)),
            stratum="chosen", inputs=row,
        )
        for n in range(tasks)
    )  # fmt: skip
    cycle = Cycle(
        loop=NAME, number=1, phase="published", opened_at=now, closed_at=None, after=0, until=0, budget=tasks,
        explore=0.0, seed=1, reason="the benchmark", outcome="", outcome_reason="", published_at=now,
    )  # fmt: skip
    house.ledger.commit(Entry(id=CommandId("publish"), records=(cycle,), tasks=batch))
    return float(np.mean([len(task.inputs) for task in batch]))


@contextmanager
def started(folder: Path) -> Iterator[Family]:
    """``loopline up`` on the folder, once it answers."""
    port = free_port()
    order = [sys.executable, "-m", "loopline", "up", str(folder / "loop.toml"), "--port", str(port)]
    family = Family(order, folder=folder, environment={}, port=port)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(port):
            if family.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no server answers:\n{family.log_tail()}")
            time.sleep(0.1)
        yield family
    finally:
        family.stop()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def desk(browser: Browser, url: str, *, name: str, opening: str, **options: Any) -> Page:
    """The labelling page with a task on it."""
    page = browser.new_context(viewport={"width": 1280, "height": 860}, **options).new_page()
    page.goto(f"{url}/?token={opening}")
    page.add_init_script(WATCH)
    page.goto(f"{url}/annotate")
    page.locator("#who-name").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator("#task")).to_have_attribute("aria-busy", "false", timeout=20_000)
    return page


def pressed(page: Page, pauses: list[float]) -> list[float]:
    """Milliseconds of each press; a pause before it, then as soon as the page takes a key."""
    page.evaluate("() => { window.__presses.length = 0; }")
    for done, pause in enumerate(pauses, start=1):
        page.wait_for_timeout(1_000 * pause)
        page.wait_for_function("() => document.querySelector('#task').ariaBusy === 'false'", polling=5)
        page.keyboard.press("123"[done % 3])
        page.wait_for_function("(done) => window.__presses.length >= done", arg=done, polling=5)
    page.wait_for_timeout(500)  # Event Timing tells of the last frames a moment later
    presses = page.evaluate("() => window.__presses")
    return [max(one["ms"], one["presented"]) for one in presses]


def violations(browser: Browser, url: str, *, opening: str) -> int:
    """What axe-core finds on the desk, in light and in dark."""
    rules, found = axe.source(), 0
    for scheme in ("light", "dark"):
        page = desk(browser, url, name=f"eye-{scheme}", opening=opening, color_scheme=scheme)
        for keys in ((), ("c",), ("Escape", "s"), ("Escape", "?")):
            for key in keys:
                page.keyboard.press(key)
            page.evaluate(rules)
            report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found += len(report["violations"])
        page.context.close()
    return found


def zipped(*patterns: str) -> float:
    """Built scripts by gzip, in units of 1,024 bytes."""
    files = [file for pattern in patterns for file in STATIC.glob(pattern)]
    return round(sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) / 1024, 2)


def measured(folder: Path, *, person: int, fastest: int) -> dict[str, Any]:
    """Everything."""
    size = published(folder, tasks=person + fastest + WARM + 60)
    rng = np.random.default_rng(1)
    paces = list(np.clip(rng.lognormal(np.log(0.7), 0.5, person), 0.25, 4.0))
    with started(folder) as family, distant(family.port, round_trip_seconds=ROUND_TRIP_SECONDS) as port:
        opening = token(folder)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            near = f"http://127.0.0.1:{family.port}"
            faults = violations(browser, near, opening=opening)
            page = desk(browser, f"http://127.0.0.1:{port}", name="ana", opening=opening)
            pressed(page, [0.5] * WARM)
            slow, fast = pressed(page, paces), pressed(page, [FASTEST_SECONDS] * fastest)
            page.wait_for_function("() => !Object.keys(localStorage).some((key) => key.includes('/out/'))")
            me = page.evaluate("async () => (await fetch('/api/me?annotator=ana')).json()")
            browser.close()
    both = np.array(slow + fast)
    return {
        "presses": len(both),
        **{f"p{q}_ms": round(float(np.percentile(both, q)), 1) for q in (50, 95, 99)},
        "person_p95_ms": round(float(np.percentile(slow, 95)), 1),
        "fastest_p95_ms": round(float(np.percentile(fast, 95)), 1),
        "image_kb": round(size / 1000, 1),
        "round_trip_ms": 1_000 * ROUND_TRIP_SECONDS,
        "lost": len(both) + WARM - me["answered"],
        "js_kb_gzip": zipped("annotate.js", "annotate-en-*.js"),
        "js_kb_gzip_zh": zipped("annotate.js", "annotate-zh-*.js"),
        "on_demand_kb_gzip": zipped("annotate-bulk-*.js", "annotate-remap-*.js"),
        "axe_violations": faults,
    }


def main() -> None:
    """Read the arguments, measure, tell."""
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--person", type=int, default=120, help="presses at a person's pace")
    parser.add_argument("--fastest", type=int, default=120, help="presses as fast as anyone reacts")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loopline-page-") as folder:
        print(json.dumps(measured(Path(folder), person=asked.person, fastest=asked.fastest)))


if __name__ == "__main__":
    main()
