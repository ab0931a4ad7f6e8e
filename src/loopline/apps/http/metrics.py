"""``GET /metrics``: how the endpoint and the log do, in the text format of Prometheus or as OpenMetrics."""

import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Annotated, Final, NamedTuple, Protocol

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import HeaderParameter
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from loopline import __version__
from loopline.apps.http.meter import BOUNDS_US, GAUGES, Latency, Line, Meter
from loopline.records.ids import VersionName
from loopline.records.rollout import TrafficSplit

MOST_REASONS, LONGEST_REASON = 8, 200
"""Troubles that are spelled out, and how much of each: a label is no place for a story."""
BY_ARM: Final = ("model", "arm")
BUILD: Final = {"version": __version__, "python": platform.python_version()}


class TierSize(NamedTuple):
    """What lies in one tier of the log."""

    segments: int
    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is known at one moment; a part that does not exist is None or empty, and is left out."""

    versions: tuple[VersionName, ...] | None = None
    """Those loaded; of others no counts are kept."""
    split: TrafficSplit | None = None
    totals: Mapping[str, int] = field(default_factory=dict)
    """As ``ports.counters.Counters.read`` gives them."""
    waiting_rows: int | None = None
    """Answered and not stored yet."""
    queue_bytes: tuple[int, int] | None = None
    """Of the queue to the log: in use, and in all."""
    tiers: Mapping[str, TierSize] = field(default_factory=dict)
    """Tier (``tail``, ``hot``, ``archive``, ``deleted``) -> what lies there."""
    damage: int | None = None
    """Batches and segments that were found damaged and put aside."""
    shadow_dropped: int | None = None
    """Rows that a shadow version was to score and had no time for."""
    troubles: tuple[str, ...] | None = None
    """A sentence for each that is there now."""


class Readings(Protocol):
    """Whoever can say how things stand."""

    def read(self) -> Reading:
        """How things stand now. May take as long as a look into the state database."""
        ...


class Board(Collector):
    """Turns what the meter counted, and what the readings say, into families of metrics."""

    def __init__(self, meter: Meter, readings: Readings | None = None) -> None:
        self._meter, self._readings = meter, readings

    def collect(self) -> Iterator[Metric]:
        """Every family that has something to say now."""
        reading = self._readings.read() if self._readings else Reading()
        if reading.versions is not None:
            self._meter.keep(reading.versions)
        yield InfoMetricFamily("loopline_build", "What runs.", BUILD)
        yield from _of_answers(self._meter.lines())
        yield _counter("loopline_refused", "Requests refused.", "status", self._meter.refusals())
        for name, value in self._meter.gauges().items():
            yield GaugeMetricFamily(f"loopline_{name}", GAUGES[name], value)
        yield from _of_traffic(reading)
        yield from _of_capture(reading)
        yield from _of_log(reading)
        yield from _of_troubles(reading.troubles)


def metrics_route(meter: Meter, *, readings: Readings | None = None) -> HTTPRouteHandler:
    """The route, for whoever has the scope ``read``."""
    registry = CollectorRegistry()
    registry.register(Board(meter, readings))
    ProcessCollector(registry=registry)

    @get("/metrics", sync_to_thread=True, include_in_schema=False)
    def metrics(accept: Annotated[str, HeaderParameter(name="accept")] = "") -> Response[bytes]:
        """Everything that is counted and measured."""
        try:
            encode, kind = choose_encoder(accept)
        except (TypeError, ValueError):  # an Accept header that names a version which is no number
            encode, kind = choose_encoder("")
        return Response(encode(registry), headers={"content-type": kind})

    return metrics


def _of_answers(lines: tuple[Line, ...]) -> Iterator[Metric]:
    rows = CounterMetricFamily("loopline_answers", "Rows answered.", labels=BY_ARM)
    failures = CounterMetricFamily("loopline_failures", "Rows to which the model gave no answer.", labels=BY_ARM)
    whole = HistogramMetricFamily("loopline_answer_seconds", "From a request's arrival to its answer.", labels=BY_ARM)
    inside = HistogramMetricFamily("loopline_model_seconds", "Inside the model, a call.", labels=BY_ARM)
    for model, arm, series in lines:
        rows.add_metric((model, arm), series.rows)
        failures.add_metric((model, arm), series.failed_rows)
        for family, latency in ((whole, series.whole), (inside, series.inside)):
            family.add_metric((model, arm), *_buckets(latency))
    return iter((rows, failures, whole, inside))


def _buckets(latency: Latency) -> tuple[list[tuple[str, float]], float]:
    """Each upper end in seconds with how many lie at or below it, and the sum in seconds."""
    ends = [*(repr(end / 1e6) for end in BOUNDS_US), "+Inf"]
    return list(zip(ends, accumulate(latency.buckets.copy()), strict=True)), latency.microseconds / 1e6


def _of_traffic(reading: Reading) -> Iterator[Metric]:
    if reading.versions is not None:
        yield GaugeMetricFamily("loopline_versions_loaded", "Versions that can answer.", len(reading.versions))
    split = reading.split
    if split is None:
        return
    canary = split.basis_points / 10_000 if split.challenger else 0.0
    share = {str(split.challenger): canary} if split.challenger else {}
    yield _gauge(
        "loopline_traffic_share", "Of live answers, in [0, 1].", "model", share | {split.incumbent: 1 - canary}
    )
    shadowed = {str(split.challenger): 1} if split.challenger and split.shadow else {}
    yield _gauge("loopline_shadow", "1: scores unseen what others answer.", "model", shadowed)


def _of_capture(reading: Reading) -> Iterator[Metric]:
    if reading.totals:
        text = "Rows by what became of them, since the installation began."
        yield _counter("loopline_capture", text, "fate", reading.totals)
    if reading.waiting_rows is not None:
        yield GaugeMetricFamily("loopline_waiting_rows", "Answered and not stored yet.", reading.waiting_rows)
    if reading.queue_bytes is not None:
        used, size = reading.queue_bytes
        yield GaugeMetricFamily("loopline_queue_used_bytes", "In use of the queue to the log.", used)
        yield GaugeMetricFamily("loopline_queue_size_bytes", "Size of the queue to the log.", size)
    if reading.shadow_dropped is not None:
        text = "Rows that a shadow version had no time for."
        yield CounterMetricFamily("loopline_shadow_dropped_rows", text, reading.shadow_dropped)


def _of_log(reading: Reading) -> Iterator[Metric]:
    for name in TierSize._fields if reading.tiers else ():
        sizes = {tier: getattr(size, name) for tier, size in reading.tiers.items()}
        yield _gauge(f"loopline_log_{name}", f"{name.capitalize()} in each tier of the log.", "tier", sizes)
    if reading.damage is not None:
        text = "Batches and segments of the log found damaged and put aside."
        yield GaugeMetricFamily("loopline_log_damaged", text, reading.damage)


def _of_troubles(troubles: Iterable[str] | None) -> Iterator[Metric]:
    if troubles is None:
        return
    reasons = [trouble.partition("\n")[0][:LONGEST_REASON] for trouble in troubles]
    yield GaugeMetricFamily("loopline_trouble", "1: something goes wrong in the endpoint.", float(bool(reasons)))
    told = dict.fromkeys(reasons[:MOST_REASONS], 1)
    yield _gauge("loopline_trouble_reason", "What goes wrong, in words.", "reason", told)


def _counter(name: str, text: str, label: str, counts: Mapping[str, int] | Mapping[int, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, count in counts.items():
        family.add_metric((str(value),), count)
    return family


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family
