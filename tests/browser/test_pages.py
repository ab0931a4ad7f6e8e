"""The pages in a real Chromium, over a real server and real adapters: keyboard only, axe-core on every page."""

import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.system.clock import SystemClock
from loopline.apps.http.control import make_control
from loopline.apps.http.dispatch import make_dispatch
from loopline.apps.http.identity import Identity
from loopline.testing import factories as make
from loopline.testing import story
from loopline.testing.rooms import Rooms, StoredConsole, rooms

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KEPT = bool(os.environ.get("LOOPLINE_SCREENSHOTS"))
"""Whether screenshots go to docs/images, at twice the pixels; else to pytest's folder."""
PAGES = {
    "overview": "/", "annotate": "/annotate", "cycles": "/cycles", "cycle": "/cycles/2", "labels": "/cycles/2/labels",
    "selection": "/cycles/2/selection", "failed": "/cycles/4", "data": "/data", "dataset": "/data/c2",
    "models": "/models", "model": "/models/v3", "signals": "/signals", "signal": "/signals/sentiment/v3/margin/9400",
    "why": "/why?id=v3", "missing": "/nowhere", "sign-in": "/sign-in",
}  # fmt: skip
SCHEMES = ("light", "dark")
TOKEN = "browser-token"
LOG_TAIL = 'Traceback (most recent call last):\n  File "train.py", line 12, in train\nValueError: no rows'


class Server(NamedTuple):
    url: str
    house: Rooms


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path: apt-get install chromium")
    build = _hatch_build()
    if build.is_stale(ROOT):
        build.build(ROOT)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    now = datetime.now(UTC)
    counters = FileCounters(tmp_path / "counters")
    log = SpoolLog(tmp_path / "spool.db")
    house = rooms(
        now=now, clock=SystemClock(), ledger=SqlLedger(engine), queue=SqlTaskQueue(engine), book=SqlAnswerBook(engine),
        log=log, counters=counters, token=TOKEN, settings=_settings(),
    )  # fmt: skip
    story.tell(house.ledger, now=now)
    failed = make.cycle(
        4, phase="closed", opened_at=now, closed_at=now, outcome="failed",
        outcome_reason=f"run run-4 ended with exit code 1: ValueError: no rows\n{LOG_TAIL}",
    )  # fmt: skip
    house.ledger.commit(make.entry("failed", failed))
    house.ledger.commit(make.entry("again", make.cycle(3, phase="published", opened_at=now, budget=40)))
    house.log.append(story.predictions(now=now))
    for name, amount in (("answered", 12_408), ("stored", 12_408), ("repeated", 3)):
        counters.add(name, amount)
    with _serving(house) as url:
        yield Server(url, house)
    engine.dispose()
    log.close()
    counters.close()
