"""What all tests share: their order, laws that no busy machine's clock judges, and databases that are let go of."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
import uvicorn
from hypothesis import settings
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import Engine

from loopline.adapters.sql.database import open_database
from loopline.apps.http.errors import HANDLERS
from loopline.apps.wiring import FOLDER, hold

settings.register_profile("loopline", deadline=None)
settings.register_profile("gate", deadline=None, max_examples=15)
settings.load_profile("loopline")

LONGEST_FIRST = ("service", "browser", "slow")
LOOP = """
[loop]
name = "sentiment"
labels = ["negative", "neutral", "positive"]
input = "text"
[train]
run = "train.py:train"
base = "base.csv"
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first, so that no process waits at the end for one that began last."""
    items.sort(key=lambda item: -sum(item.get_closest_marker(name) is not None for name in LONGEST_FIRST))


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    """Opens the database of this name in the test's folder; the same again each time, as another process would."""
    engines: list[Engine] = []

    def opened(name: str) -> Engine:
        engines.append(open_database(f"sqlite:///{tmp_path}/{name}.db"))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.dispose()


@pytest.fixture
def state(sqlite: Callable[[str], Engine]) -> Callable[[], Engine]:
    """Opens the same database each time it is called."""
    return partial(sqlite, "state")


@pytest.fixture(scope="session")
def described() -> Callable[..., Path]:
    """Writes a small loop into a folder: ``loop.toml``, ``train.py``, and these base rows."""

    def written(folder: Path, *, base: str = "text,label\nfine,positive\nawful,negative\n") -> Path:
        (folder / "loop.toml").write_text(LOOP)
        (folder / "train.py").write_text("def train(dataset, run): ...\n")
        (folder / "base.csv").write_text(base)
        return folder

    return written


@pytest.fixture(scope="session")
def serving() -> Callable[[Path, Sequence[HTTPRouteHandler]], AbstractContextManager[None]]:
    """Serves these routes and holds the folder, as ``loopline up`` does."""

    @contextmanager
    def served(folder: Path, routes: Sequence[HTTPRouteHandler]) -> Iterator[None]:
        app = Litestar(routes, exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
        listener = socket.create_server(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        with hold(folder / FOLDER):
            (folder / FOLDER / "address").write_text(f"http://127.0.0.1:{listener.getsockname()[1]}")
            (folder / FOLDER / "token").write_text("the-token")
            thread.start()
            while not running.started and thread.is_alive():
                time.sleep(0.02)
            try:
                yield
            finally:
                running.should_exit = True
                thread.join(timeout=10)
                listener.close()

    return served
