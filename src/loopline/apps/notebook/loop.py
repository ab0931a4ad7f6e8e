"""What a notebook sees of a loop: its datasets and its predictions, never the reserve."""

import getpass
import warnings
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path

import pyarrow as pa

from loopline.apps.notebook.cycles import CycleView
from loopline.apps.notebook.library import Library
from loopline.apps.notebook.opening import Reader, open_reader
from loopline.apps.query import ROWS, SECONDS, ask
from loopline.apps.reserve import Measured, Predict, evaluate
from loopline.apps.wiring import open_house
from loopline.apps.worker.dataset import Dataset
from loopline.records.dataset import DatasetVersion


class Loop:
    """One loop, read beside its server or without one; nothing is changed, and no row of the reserve is handed out."""

    def __init__(self, house: Reader) -> None:
        self._house = house
        self._library = Library(house)

    @classmethod
    def open(cls, file: str | PathLike[str] = "loop.toml") -> "Loop":
        """The loop that this file describes. Raises NotFound without the file, Unavailable when it never ran."""
        return cls(open_reader(Path(file)))

    @property
    def name(self) -> str:
        """As in ``[loop] name``."""
        return self._house.settings.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the probabilities."""
        return self._house.settings.signature.labels

    def datasets(self) -> tuple[DatasetVersion, ...]:
        """Every dataset version, newest first."""
        return self._library.versions

    def tags(self) -> dict[str, str]:
        """Tag -> name of the version that it stands for."""
        return {tag.name: tag.version for tag in self._library.tags}

    def dataset(self, name: str) -> Dataset:
        """The rows of a version, by its name or a tag: ``.to_pandas()``, ``.to_numpy()``, ``.to_arrow()``, ... .

        Raises NotFound, naming the versions there are; Unavailable when the store no longer holds what it wrote.
        """
        return self._library.dataset(self._library.find(name))

    def predictions(
        self, sql: str = "SELECT * FROM predictions", *, rows: int = ROWS, seconds: float = SECONDS
    ) -> pa.Table:
        """The answer of the log to one SELECT, as ``loopline query`` gives it: no reserve row is in any view.

        Warns when there is more than ``rows``. Raises InvalidRecord, in words, for a query that is refused or fails.
        """
        answer = ask(self._house, sql, rows=rows, seconds=seconds)
        if answer.is_cut:
            told = f"cut at {answer.table.num_rows:,} rows: ask for more with rows=..., or for fewer columns"
            warnings.warn(told, stacklevel=2)
        return answer.table

    def cycle(self, number: int) -> CycleView:
        """A cycle: ``.selection``, ``.what_if(strategy=..., budget=...).diff()``, ``.replay()``."""
        return CycleView(open_house(self._house.settings, root=self._house.root), number)

    def evaluate(self, predict: Predict | str, *, purpose: str, actor: str = "") -> dict[str, Measured]:
        """Part of the reserve (``fresh``, ``anchor``) -> how good a version or a function is on it, rounded, with n.

        The use is on record before a row is read, and no row is given out. Raises NotFound for an unknown version,
        Conflict when no part may serve.
        """
        who = actor or getpass.getuser()
        return evaluate(self._house, predict, purpose=purpose, actor=who, now=datetime.now(UTC))

    def __repr__(self) -> str:
        return f"Loop({self.name!r}, {len(self.datasets())} dataset versions)"
