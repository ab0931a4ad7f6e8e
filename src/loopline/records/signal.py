"""What the monitor saw: measurements, and the signals they raised."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import LoopName, VersionName


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """The detector's state for one signal of one version after a tick: enough to go on, and to recompute."""

    id: str
    """``loop/version/signal``: one row, replaced at each tick."""
    loop: LoopName
    version: VersionName
    signal: str
    """``top-probability``, ``margin``, ``entropy``."""
    position: int
    """Log position up to which it has counted."""
    reference: tuple[int, ...]
    """Histogram of the frozen reference, 1,024 bins over [0, 1]; still filling while ``reference_n`` is short."""
    reference_n: int
    latest: tuple[int, ...]
    """Histogram of the last tick."""
    latest_n: int
    tolerance: float
    """delta: how far the distribution function may stray before it counts as drift."""
    clean: tuple[tuple[int, ...], ...]
    """Histograms of the clean ticks that set the tolerance."""
    evidence: tuple[float, ...]
    """log of each Shiryaev-Roberts component."""
    e_value: float
    """log of the mixture; the alarm threshold is its twin below."""
    threshold: float
    distance: float
    """Largest gap between the distribution functions, latest against reference, in [0, 1]."""
    distance_upper: float
    """Upper confidence bound of the gap."""
    ticks: int
    quiet: int
    """Ticks in a row without an alarm."""


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """The world has moved: raised once, cleared once, with its sentence and counts."""

    id: str
    loop: LoopName
    version: VersionName
    signal: str
    state: Literal["raised", "cleared"]
    severity: float
    """In [0, 1]: clip((D_upper - delta) / (0.3 - delta)), D_upper the distance's upper bound, delta the tolerance."""
    raised_at: datetime
    cleared_at: datetime | None
    position: int
    """Log position at which it was raised."""
    e_value: float
    threshold: float
    reference_mean: float
    latest_mean: float
    reference_n: int
    latest_n: int
    reason: str
