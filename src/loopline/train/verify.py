"""Does a packaged model say again what it said when it was packaged?"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Difference(NamedTuple):
    """How far two sets of answers to the same rows lie apart."""

    largest: float
    """The largest absolute difference of any probability; infinite when one is not a number or the shapes differ."""
    flips: int
    """Rows whose most likely class differs."""


def difference(expected: Floats, found: Floats) -> Difference:
    """The largest difference and the label flips between two arrays of probabilities, each (n, classes).

    >>> difference(np.array([[0.6, 0.4], [0.5, 0.5]]), np.array([[0.6, 0.4], [0.25, 0.75]]))
    Difference(largest=0.25, flips=1)
    """
    if expected.shape != found.shape or expected.ndim != 2:
        return Difference(float("inf"), max(len(expected), len(found)))
    if expected.size == 0:
        return Difference(0.0, 0)
    gap = np.abs(expected - found)
    largest = float(gap.max()) if np.isfinite(gap).all() else float("inf")
    return Difference(largest, int((expected.argmax(axis=1) != found.argmax(axis=1)).sum()))
