"""What all tests share: their order, laws that no busy machine's clock judges, and databases that are let go of."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from loopline.adapters.sql.database import open_database

settings.register_profile("loopline", deadline=None)
settings.register_profile("gate", deadline=None, max_examples=15)
settings.load_profile("loopline")

LONGEST_FIRST = ("service", "browser", "slow")


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
