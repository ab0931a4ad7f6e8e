"""The usual range of each feature, so that a person sees at once what is odd about a row."""

from collections.abc import Iterable
from itertools import islice
from threading import Lock
from typing import Final

import numpy as np

from loopline.adapters.views.reading import row_of
from loopline.adapters.views.table import named
from loopline.apps.http.views import House
from loopline.errors import LooplineError
from loopline.ports.view import Usual
from loopline.records.dataset import LabelledRow
from loopline.records.signature import Signature

PERCENTILES: Final = (5.0, 95.0)
FEWEST: Final = 20
"""Rows below which nothing is called usual."""
MOST: Final = 100_000
"""Rows that are looked at: the first ones."""


class UsualRanges:
    """Made from the base set once, when the first table is shown; without one, from each cycle's own tasks.

    One range serves all tasks of a cycle, so it tells nothing of why one of them is asked.
    """

    def __init__(self, house: House) -> None:
        self._house, self._lock = house, Lock()
        self._base: tuple[Usual, ...] | None = None
        self._cycle: tuple[int, tuple[Usual, ...]] = (-1, ())

    def of(self, cycle: int) -> tuple[Usual, ...]:
        """The ranges beside a task of this cycle; empty where there are too few rows, and for texts and images."""
        signature = self._house.settings.signature
        if signature.input != "tabular":
            return ()
        with self._lock:
            if self._base is None:
                self._base = ranges((row.inputs for row in self._rows()), signature)
            if not self._base and self._cycle[0] != cycle:
                tasks = self._house.book.answers(self._house.settings.name, cycle=cycle).tasks
                self._cycle = cycle, ranges((task.inputs for task in tasks), signature)
            return self._base or self._cycle[1]

    def _rows(self) -> Iterable[LabelledRow]:
        try:
            return self._house.base()
        except LooplineError:  # the file is gone or was changed: people go on labelling without it
            return ()


def ranges(rows: Iterable[bytes], signature: Signature) -> tuple[Usual, ...]:
    """From the 5th to the 95th percentile of each feature; empty for fewer than 20 rows that can be read.

    >>> signature = Signature(input="tabular", width=1, labels=("no", "yes"))
    >>> ranges((b"[%d]" % n for n in range(101)), signature)
    (Usual(name='feature 0', low=5.0, high=95.0),)
    """
    found = (row_of(inputs, signature) for inputs in islice(rows, MOST))
    read = [row for row in found if isinstance(row, tuple)]
    if len(read) < FEWEST:
        return ()
    low, high = np.percentile(np.array(read, np.float64), PERCENTILES, axis=0).tolist()
    return tuple(Usual(named(at), low[at], high[at]) for at in range(signature.width))
