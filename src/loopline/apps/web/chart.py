"""The chart of verdicts: verdicts into points, points into coordinates. The template only writes them down."""

import math
from typing import NamedTuple

from loopline.apps.web.words import NATS
from loopline.records.evaluation import Verdict

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 18, 28, 34
PARTS = ("fresh", "anchor")
MOST_ROWS = 6
"""Grid lines on an axis in nats, about."""
Z95 = 1.959964
"""Normal quantile of a two-sided 95 % interval."""


class Point(NamedTuple):
    """One version on one part of the reserve, as judged in one cycle."""

    cycle: int
    part: str
    version: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    """At 95 %; None where rows one by one do not tell it."""
    n: int
    role: str
    """``incumbent`` or ``challenger``."""
    outcome: str
    """Of the verdict."""


class Mark(NamedTuple):
    """A point with its place on the drawing, in pixels."""

    point: Point
    x: float
    y: float
    top: float
    bottom: float


class Line(NamedTuple):
    """A grid line or a column, with its label."""

    at: float
    label: str


class Chart(NamedTuple):
    """Everything the drawing needs."""

    metric: str
    unit: str
    """Of the numbers beside the rows."""
    marks: tuple[Mark, ...]
    paths: dict[str, str]
    """Part -> the SVG path through its challengers."""
    rows: tuple[Line, ...]
    columns: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share seen on ``n`` rows, in [0, 1].

    With z = 1.96: center (p + z^2/2n) / (1 + z^2/n), half-width z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n).
    Source: E. B. Wilson 1927, Journal of the American Statistical Association 22.

    >>> [round(bound, 3) for bound in wilson(0.5, 100)]
    [0.404, 0.596]
    """
    if n <= 0:
        return 0.0, 1.0
    scale = 1 + Z95**2 / n
    center = (share + Z95**2 / (2 * n)) / scale
    half = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n)) / scale
    return max(0.0, center - half), min(1.0, center + half)


def interval_of(value: float, metric: str, *, n: int) -> tuple[float, float] | None:
    """The 95 % interval of an accuracy, which is a share of rows; None for metrics that are not.

    >>> interval_of(-0.5, "log_score", n=100) is interval_of(0.5, "macro_f1", n=100) is None
    True
    """
    return wilson(value, n) if metric == "accuracy" else None


def points_of(verdicts: tuple[Verdict, ...]) -> tuple[Point, ...]:
    """Every value stated by a verdict in the newest one's metric: on each part the incumbent, then the challenger."""
    found: list[Point] = []
    for verdict in verdicts:
        if verdict.metric != verdicts[-1].metric:  # two metrics have no axis in common
            continue
        for seen in verdict.comparisons:
            if seen.part not in PARTS or seen.n <= 0:
                continue
            pair = (
                ("incumbent", verdict.incumbent, seen.incumbent),
                ("challenger", verdict.challenger, seen.challenger),
            )
            for role, version, value in pair:
                interval = interval_of(value, verdict.metric, n=seen.n)
                found.append(
                    Point(
                        verdict.cycle, seen.part, version, verdict.metric, value, interval, seen.n, role,
                        verdict.outcome,
                    )
                )  # fmt: skip
    return tuple(found)


def chart_of(points: tuple[Point, ...]) -> Chart | None:
    """The drawing of these points; None when there are none.

    The vertical axis spans values and intervals, rounded out to whole steps; one column a cycle.
    """
    if not points:
        return None
    metric = points[0].metric
    lowest, highest = min(_span(p)[0] for p in points), max(_span(p)[1] for p in points)
    step = step_of(highest - lowest, metric)
    low = math.floor(lowest / step) * step
    high = max(math.ceil(highest / step) * step, low + step)
    cycles = sorted({p.cycle for p in points})
    pace = (WIDTH - LEFT - RIGHT) / len(cycles)
    center = {cycle: LEFT + pace * (i + 0.5) for i, cycle in enumerate(cycles)}

    def height(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    def place(point: Point) -> float:
        spread = min(22.0, pace / 6)
        aside = spread * (-1.5 if point.part == "fresh" else 0.5) + (spread if point.role == "challenger" else 0.0)
        return round(center[point.cycle] + aside, 1)

    marks = tuple(Mark(p, place(p), height(p.value), height(_span(p)[1]), height(_span(p)[0])) for p in points)
    ticks = [low + i * step for i in range(round((high - low) / step) + 1)]
    rows = tuple(Line(height(tick), label_of(tick, metric, step=step)) for tick in ticks)
    columns = tuple(Line(round(center[cycle], 1), f"cycle {cycle}") for cycle in cycles)
    paths = {part: _path(marks, part) for part in PARTS}
    unit = "nats" if metric in NATS else "%"
    return Chart(metric=metric, unit=unit, marks=marks, paths=paths, rows=rows, columns=columns)


def step_of(span: float, metric: str) -> float:
    """From one grid line to the next: 5 or 10 percentage points; 1, 2 or 5 times a power of ten of nats.

    >>> step_of(0.2, "accuracy"), step_of(0.5, "macro_f1"), step_of(0.9, "log_score"), step_of(0.0, "log_score")
    (0.05, 0.1, 0.2, 0.001)
    """
    if metric not in NATS:
        return 0.05 if span <= 0.3 else 0.1
    least = max(span / MOST_ROWS, 0.001)
    power = 10.0 ** math.floor(math.log10(least))
    return next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= least)


def label_of(tick: float, metric: str, *, step: float) -> str:
    """The number beside a grid line, without its unit.

    >>> label_of(0.7, "accuracy", step=0.05), label_of(-0.4, "log_score", step=0.2)
    ('70', '\u22120.4')
    """
    decimals = max(0, -math.floor(math.log10(step))) if metric in NATS else 0
    number = round(tick if metric in NATS else 100 * tick, decimals) + 0.0  # no minus before a zero
    return f"{number:.{decimals}f}".replace("-", "\u2212")


def _span(point: Point) -> tuple[float, float]:
    return point.interval or (point.value, point.value)


def _path(marks: tuple[Mark, ...], part: str) -> str:
    line = [mark for mark in marks if mark.point.part == part and mark.point.role == "challenger"]
    return " ".join(f"{'L' if i else 'M'}{mark.x} {mark.y}" for i, mark in enumerate(line)) if len(line) > 1 else ""
