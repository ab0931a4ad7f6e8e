"""Rows as PyTorch takes them."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

Rows: Any = import_module("torch.utils.data").Dataset if find_spec("torch") else object
"""What PyTorch calls a dataset; the module can be imported, not used, without it."""


class TorchRows(Rows):  # type: ignore[misc]
    """Map-style: ``rows[i]`` is (x, y), with weights (x, y, w); a loader's workers read rows on their own."""

    def __init__(self, at: Callable[[int], Any], y: Sequence[int], weights: Sequence[float] | None) -> None:
        self._at, self._y, self._weights = at, y, weights

    def __len__(self) -> int:
        return len(self._y)

    def __getitem__(self, row: int) -> tuple[Any, ...]:
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        found = self._at(row % len(self))
        x = found if isinstance(found, str) else import_module("torch").from_numpy(found)
        return (x, self._y[row]) if self._weights is None else (x, self._y[row], self._weights[row])
