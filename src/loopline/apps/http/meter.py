"""What the endpoint has done since it started, counted while it answers: cheap enough for every request."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from loopline.errors import NotFound
from loopline.records.ids import VersionName
from loopline.records.prediction import Arm

BOUNDS_US: Final = (
    *(10**power * step for power in range(1, 7) for step in (1, 2, 3, 5)),
    *(10_000_000, 20_000_000, 30_000_000),
)
"""Upper ends of the latency buckets, included: from 10 microseconds to 30 seconds, four in a decade."""
GAUGES: Final = {
    "in_flight": "Requests that are being answered.",
    "queued_requests": "Requests that wait for a model.",
    "queued_rows": "Rows that wait for a model.",
    "shadow_queued_rows": "Rows that wait for a shadow version.",
}
"""What can be asked at any moment, and what it says."""


class Latency:
    """How long things took, in buckets."""

    __slots__ = ("buckets", "microseconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_US) + 1)
        """How many ended in each of ``BOUNDS_US``, and last how many took longer than all of them."""
        self.microseconds = 0
        """Of all together."""


class Series:
    """The counts of one version in one arm."""

    __slots__ = ("failed_rows", "inside", "rows", "whole")

    def __init__(self) -> None:
        self.rows = self.failed_rows = 0
        self.whole, self.inside = Latency(), Latency()


class Line(NamedTuple):
    """One version in one arm, with what was counted of it."""

    model: VersionName
    arm: Arm
    series: Series


class Meter:
    """Counts answers by version and arm, and refusals by status.

    Made for one thread, the event loop's, since counting must cost less than a lock; any thread may read. Failures are
    counted by whichever thread asked the model: one addition, within which CPython does not change threads.
    """

    def __init__(self) -> None:
        self._series: dict[tuple[VersionName, Arm], Series] = {}
        self._refused: dict[int, int] = {}
        self._gauges: dict[str, Callable[[], float]] = {}

    def answered(self, model: VersionName, arm: Arm, microseconds: int, rows: int) -> None:
        """One request was answered with so many rows, so long after it had come."""
        series = self._series.get((model, arm)) or self._begin(model, arm)
        series.rows += rows
        latency = series.whole
        latency.microseconds += microseconds
        latency.buckets[bisect_left(BOUNDS_US, microseconds)] += 1

    def computed(self, model: VersionName, arm: Arm, microseconds: int) -> None:
        """The model was called once for this arm, and took so long."""
        latency = (self._series.get((model, arm)) or self._begin(model, arm)).inside
        latency.microseconds += microseconds
        latency.buckets[bisect_left(BOUNDS_US, microseconds)] += 1

    def failed(self, model: VersionName, arm: Arm, rows: int) -> None:
        """The model gave no answer to so many rows."""
        (self._series.get((model, arm)) or self._begin(model, arm)).failed_rows += rows

    def refused(self, status: int) -> None:
        """A request got this status instead of an answer."""
        self._refused[status] = self._refused.get(status, 0) + 1

    def show(self, gauge: str, reading: Callable[[], float]) -> None:
        """From now on ask ``reading`` for this one of ``GAUGES``. Raises NotFound."""
        if gauge not in GAUGES:
            raise NotFound("gauge", gauge, known=tuple(GAUGES))
        self._gauges[gauge] = reading

    def keep(self, loaded: Iterable[VersionName]) -> None:
        """Forget what was counted of all other versions."""
        kept = frozenset(loaded)
        for model, arm in tuple(self._series):
            if model not in kept:
                del self._series[model, arm]

    def lines(self) -> tuple[Line, ...]:
        """What was counted, by version and arm."""
        return tuple(Line(model, arm, series) for (model, arm), series in sorted(self._series.items()))

    def refusals(self) -> dict[int, int]:
        """Status -> how many, by status."""
        return dict(sorted(self._refused.copy().items()))

    def gauges(self) -> dict[str, float]:
        """Gauge -> its value now."""
        return {name: reading() for name, reading in self._gauges.items()}

    def _begin(self, model: VersionName, arm: Arm) -> Series:
        return self._series.setdefault((model, arm), Series())
