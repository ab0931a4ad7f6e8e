"""What the monitor counts: the scores of the live version, cut into whole ticks."""

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.monitor.histogram import Counts, histogram

SIGNALS = ("top-probability", "margin", "entropy")
"""Bounded signals, each in [0, 1]; entropy is divided by the log of the number of classes."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Tick(NamedTuple):
    """A fixed number of consecutive answers of one version."""

    position: int
    """Of its last row."""
    at: datetime
    """UTC, of its last row."""
    seconds: float
    """How long so many answers take at the pace of this tick; 0 when its rows carry one time."""
    counts: dict[str, Counts]
    """A histogram a signal."""


def answers(
    arm: NDArray[np.object_], model: NDArray[np.object_], failed: NDArray[np.bool_], *, version: str
) -> NDArray[np.int64]:
    """Which rows count, as indices: answers of this version as incumbent or canary, neither failed nor unseen.

    >>> arm = np.array(["incumbent", "shadow", "canary"], object)
    >>> answers(arm, np.array(["v1", "v1", "v1"], object), np.array([False, False, True]), version="v1").tolist()
    [0]
    """
    return np.flatnonzero(((arm == "incumbent") | (arm == "canary")) & (model == version) & ~failed)


def signals_of(
    top: NDArray[np.float32], margin: NDArray[np.float32], entropy: NDArray[np.float32], *, classes: int
) -> dict[str, NDArray[np.float64]]:
    """Each signal's values, scaled to [0, 1].

    >>> one = np.array([0.5], np.float32)
    >>> signals_of(one, one, np.array([math.log(3)], np.float32), classes=3)["entropy"].round(4).tolist()
    [1.0]
    """
    values = (top, margin, entropy / math.log(classes))
    return {name: value.astype(np.float64) for name, value in zip(SIGNALS, values, strict=True)}


def whole_ticks(
    values: dict[str, NDArray[np.float64]], position: NDArray[np.int64], at_us: NDArray[np.int64], *, size: int
) -> tuple[Tick, ...]:
    """The rows cut into ticks of ``size``; what is left over waits for the next call."""
    ticks = []
    for start in range(0, len(position) - size + 1, size):
        last = start + size - 1
        span = (at_us[last] - at_us[start]) / 1e6
        ticks.append(
            Tick(
                position=int(position[last]),
                at=EPOCH + timedelta(microseconds=int(at_us[last])),
                seconds=float(span * size / max(1, size - 1)),
                counts={name: histogram(column[start : last + 1]) for name, column in values.items()},
            )
        )
    return tuple(ticks)
