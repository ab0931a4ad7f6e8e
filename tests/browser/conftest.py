"""A real server over real adapters, a real Chromium, and axe-core, fetched once by the lock file of ``web/``."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.browser.desks import GUIDELINE, TOKEN, Server, house_of, serving

from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.sql.work import SqlWorkLog
from loopline.adapters.system.clock import SystemClock
from loopline.records.settings import AnnotateSettings
from loopline.testing import factories as make
from loopline.testing import story
from loopline.testing.rooms import rooms

ROOT = Path(__file__).parents[2]


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
def opened() -> Iterator[Callable[..., Server]]:
    """Opens a loop with something to label, in memory, by its kind."""
    with ExitStack() as stack:

        def loop(kind: str, **annotate: Any) -> Server:
            house = house_of(kind, **annotate)
            return Server(stack.enter_context(serving(house)), house)

        yield loop


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The story of two promotions and an open batch, served on a free port of the loopback."""
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    counters, log = FileCounters(tmp_path / "counters"), SpoolLog(tmp_path / "spool.db")
    now, ledger = datetime.now(UTC), SqlLedger(engine)
    settings = msgspec.structs.replace(make.settings(), annotate=AnnotateSettings(guideline=GUIDELINE))
    house = rooms(
        now=now, clock=SystemClock(), settings=settings, ledger=ledger, queue=SqlTaskQueue(engine),
        book=SqlAnswerBook(engine), work=SqlWorkLog(engine), log=log, counters=counters, token=TOKEN,
    )  # fmt: skip
    story.tell(ledger, now=now, objects=house.objects)
    log.append(story.predictions(now=now))
    for name, amount in (("answered", 12_408), ("stored", 12_408), ("repeated", 3)):
        counters.add(name, amount)
    with serving(house) as url:
        yield Server(url, house)
    log.close()
    counters.close()
    engine.dispose()


def _hatch_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
