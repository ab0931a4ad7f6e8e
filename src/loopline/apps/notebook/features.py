"""Rows that were computed anew beside those that were recorded, feature by feature."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.records.soundness import TOLERANCE


class FeatureParity(NamedTuple):
    """How one feature that was computed anew compares with what was recorded."""

    feature: str
    """Its name, or its number."""
    n: int
    """Rows compared."""
    largest: float
    """The largest difference; infinite where only one of the two is a number."""
    differing: float
    """Share of rows that differ by more than the tolerance, in [0, 1]."""


def compared(
    names: Sequence[str], found: NDArray[np.float64], expected: NDArray[np.float64], *, tolerance: float = TOLERANCE
) -> tuple[FeatureParity, ...]:
    """A line for each feature, in the order of the names; both arrays (n, features). Equal NaN and infinity agree.

    >>> compared(["x0", "x1"], np.array([[1.0, 2.0]]), np.array([[1.0, 2.5]]))[1]
    FeatureParity(feature='x1', n=1, largest=0.5, differing=1.0)
    """
    is_same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        gap = np.where(is_same, 0.0, np.abs(found - expected))
    gap[np.isnan(gap)] = np.inf
    n = len(gap)
    return tuple(
        FeatureParity(name, n, float(column.max(initial=0.0)), float((column > tolerance).mean()) if n else 0.0)
        for name, column in zip(names, gap.T, strict=True)
    )
