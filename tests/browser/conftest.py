"""A real server over real adapters, a real Chromium, and axe-core, fetched once by the lock file of ``web/``."""

import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
import pytest
import uvicorn
from playwright.sync_api import Browser, sync_playwright

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
from loopline.records.settings import AnnotateSettings
from loopline.records.signature import Signature
from loopline.testing import factories as make
from loopline.testing import story
from loopline.testing.rooms import Rooms, StoredConsole, rooms

ROOT = Path(__file__).parents[2]
TOKEN = "browser-token"
GUIDELINE = "Positive or negative is what the writer feels, not what you feel. Plain facts are neutral."


class Server(NamedTuple):
    url: str
    house: Rooms


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: pytest's folder, or docs/images when LOOPLINE_SCREENSHOTS is set."""
    if os.environ.get("LOOPLINE_SCREENSHOTS"):
        kept = ROOT / "docs" / "images"
        kept.mkdir(parents=True, exist_ok=True)
        return kept
    return tmp_path_factory.mktemp("screenshots")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("found no Chromium on the path; install it with: apt-get install chromium")
    build = _hatch_build()
    if build.is_stale(ROOT):
        build.build(ROOT)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def node() -> tuple[str, list[str]]:
    """Node, and the command that runs its npm: the ones that build the pages."""
    try:
        return _hatch_build().find_node()  # type: ignore[no-any-return]
    except SystemExit as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def packages(node: tuple[str, list[str]]) -> Path:
    """The development packages of ``web/`` by its lock file, in a temporary folder that is named for it."""
    web = ROOT / "web"
    version = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"loopline-web-{version}"
    if not (folder / "node_modules" / ".package-lock.json").is_file():
        folder.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copyfile(web / name, folder / name)
        try:
            command = [*node[1], "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        except subprocess.SubprocessError as error:
            pytest.skip(f"the packages of web/ cannot be fetched: {error}")
    return folder


@pytest.fixture(scope="session")
def axe(packages: Path) -> str:
    """The source of axe-core."""
    return (packages / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def digits() -> Iterator[Server]:
    """A loop over rows of 64 numbers, in memory, with three open tasks."""
    signature = Signature(input="tabular", width=64, labels=("0", "1", "7"))
    house = rooms(now=datetime.now(UTC), settings=make.settings(signature=signature), token=TOKEN)
    rows = [signature.encode(tuple(float((i * step) % 17) for i in range(64))) for step in (3, 5, 7)]
    tasks = tuple(
        msgspec.structs.replace(make.task(f"t{i}"), inputs=row, content=make.digest(row)) for i, row in enumerate(rows)
    )
    house.ledger.commit(make.entry("open", make.cycle(1, phase="published"), tasks=tasks))
    with _serving(house) as url:
        yield Server(url, house)


@pytest.fixture
def letters() -> Iterator[Server]:
    """A loop whose labels begin with the letters of commands, in memory, with eight open tasks."""
    signature = Signature(input="text", labels=("good", "awful", "sad", "unclear"))
    house = rooms(now=datetime.now(UTC), settings=make.settings(signature=signature), token=TOKEN)
    tasks = tuple(make.task(f"t{i}", f"sentence {i}") for i in range(8))
    house.ledger.commit(make.entry("open", make.cycle(1, phase="published"), tasks=tasks))
    with _serving(house) as url:
        yield Server(url, house)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The story of two promotions and an open batch, served on a free port of the loopback."""
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    counters, log = FileCounters(tmp_path / "counters"), SpoolLog(tmp_path / "spool.db")
    now, ledger = datetime.now(UTC), SqlLedger(engine)
    settings = msgspec.structs.replace(make.settings(), annotate=AnnotateSettings(guideline=GUIDELINE))
    house = rooms(
        now=now, clock=SystemClock(), settings=settings, ledger=ledger, queue=SqlTaskQueue(engine),
        book=SqlAnswerBook(engine), log=log, counters=counters, token=TOKEN,
    )  # fmt: skip
    story.tell(ledger, now=now, objects=house.objects)
    log.append(story.predictions(now=now))
    for name, amount in (("answered", 12_408), ("stored", 12_408), ("repeated", 3)):
        counters.add(name, amount)
    with _serving(house) as url:
        yield Server(url, house)
    log.close()
    counters.close()
    engine.dispose()


@contextmanager
def _serving(house: Rooms) -> Iterator[str]:
    control = make_control(house, StoredConsole(house))
    app = make_dispatch(
        control=control, inference=_inference, identity=Identity(token=house.token, secret=house.secret)
    )
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started and thread.is_alive():
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    running.should_exit = True
    thread.join(timeout=10)
    listener.close()


async def _inference(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _hatch_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
