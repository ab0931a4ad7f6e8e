"""The accuracy chart: verdicts into points, points into coordinates. The template only writes them down."""

import math
from typing import NamedTuple

from loopline.records.evaluation import Verdict

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 18, 28, 34
PARTS = ("fresh", "anchor")
Z95 = 1.959964
"""Normal quantile of a two-sided 95 % interval."""


class Point(NamedTuple):
    """One version on one part of the reserve, as judged in one cycle."""

    cycle: int
    part: str
    version: str
    accuracy: float
    lower: float
    upper: float
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


def points_of(verdicts: tuple[Verdict, ...]) -> tuple[Point, ...]:
    """Every accuracy that a verdict states, by cycle: on each part the incumbent, then the challenger."""
    found: list[Point] = []
    for verdict in verdicts:
        for seen in verdict.comparisons:
            if seen.part not in PARTS or seen.n <= 0:
                continue
            pair = (
                ("incumbent", verdict.incumbent, seen.incumbent),
                ("challenger", verdict.challenger, seen.challenger),
            )
            for role, version, accuracy in pair:
                lower, upper = wilson(accuracy, seen.n)
                found.append(
                    Point(verdict.cycle, seen.part, version, accuracy, lower, upper, seen.n, role, verdict.outcome)
                )
    return tuple(found)


def chart_of(points: tuple[Point, ...]) -> Chart | None:
    """The drawing of these points; None when there are none.

    The vertical axis spans the intervals, rounded out to steps of 5 or 10 points; one column a cycle.
    """
    if not points:
        return None
    step = 0.05 if max(p.upper for p in points) - min(p.lower for p in points) <= 0.3 else 0.1
    low = math.floor(min(p.lower for p in points) / step) * step
    high = math.ceil(max(p.upper for p in points) / step) * step
    cycles = sorted({p.cycle for p in points})
    pace = (WIDTH - LEFT - RIGHT) / len(cycles)
    center = {cycle: LEFT + pace * (i + 0.5) for i, cycle in enumerate(cycles)}

    def height(accuracy: float) -> float:
        return round(HEIGHT - BOTTOM - (accuracy - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    def place(point: Point) -> float:
        spread = min(22.0, pace / 6)
        aside = spread * (-1.5 if point.part == "fresh" else 0.5) + (spread if point.role == "challenger" else 0.0)
        return round(center[point.cycle] + aside, 1)

    marks = tuple(Mark(p, place(p), height(p.accuracy), height(p.upper), height(p.lower)) for p in points)
    ticks = round((high - low) / step)
    rows = tuple(Line(height(low + i * step), f"{100 * (low + i * step):.0f}") for i in range(ticks + 1))
    columns = tuple(Line(round(center[cycle], 1), f"cycle {cycle}") for cycle in cycles)
    return Chart(marks=marks, paths={part: _path(marks, part) for part in PARTS}, rows=rows, columns=columns)


def _path(marks: tuple[Mark, ...], part: str) -> str:
    line = [mark for mark in marks if mark.point.part == part and mark.point.role == "challenger"]
    return " ".join(f"{'L' if i else 'M'}{mark.x} {mark.y}" for i, mark in enumerate(line)) if len(line) > 1 else ""
