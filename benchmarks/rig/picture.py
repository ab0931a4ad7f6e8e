"""Curves as a small SVG, a panel a set; it follows the reader's light or dark."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import NamedTuple

WIDTH, HEIGHT, LEFT, TOP, GAP, KEY = 400, 250, 50, 30, 54, 22
COLOURS = ("#777777", "#0b6bcb", "#c2410c", "#15803d", "#7c3aed", "#06b6d4", "#b45309", "#be123c")
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #333 } .grid { stroke: #8884; fill: none } polyline { fill: none }
@media (prefers-color-scheme: dark) { text { fill: #ddd } }
"""


class Line(NamedTuple):
    """One curve: (labels, score) points."""

    name: str
    points: Sequence[tuple[float, float]]


def picture(panels: Mapping[str, Sequence[Line]], *, marks: Mapping[str, Sequence[float]]) -> str:
    """An SVG with two panels a row: labels on a logarithmic axis, scores; ``marks``: scores with a line across."""
    names = list(dict.fromkeys(line.name for lines in panels.values() for line in lines))
    colour = dict(zip(names, COLOURS, strict=False))
    rows = (len(panels) + 1) // 2
    width, height = 2 * (WIDTH + GAP) + LEFT, rows * (HEIGHT + TOP + GAP) + KEY
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>Accuracy by labels: {escape(', '.join(panels))}</title><style>{STYLE}</style>",
        *_key(names, colour),
    ]
    for number, (name, lines) in enumerate(panels.items()):
        left = LEFT + number % 2 * (WIDTH + GAP)
        top = KEY + TOP + number // 2 * (HEIGHT + TOP + GAP)
        parts += [f'<g transform="translate({left} {top})">', *_panel(name, lines, marks.get(name, ()), colour), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _key(names: Sequence[str], colour: Mapping[str, str]) -> list[str]:
    step = 2 * WIDTH // max(1, len(names))
    return [
        f'<line x1="{LEFT + at * step}" x2="{LEFT + at * step + 18}" y1="14" y2="14" stroke="{colour[name]}" '
        f'stroke-width="2.5"/><text x="{LEFT + at * step + 23}" y="18">{escape(name)}</text>'
        for at, name in enumerate(names)
    ]


def _panel(name: str, lines: Sequence[Line], marks: Sequence[float], colour: Mapping[str, str]) -> list[str]:
    points = [point for line in lines for point in line.points]
    least, most = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(*(y for _, y in points), *marks)

    def x(labels: float) -> int:
        return round(WIDTH * (log10(labels) - log10(least)) / max(log10(most) - log10(least), 1e-9))

    def y(score: float) -> int:
        return round(HEIGHT * (1 - (score - low) / max(high - low, 1e-9)))

    drawn = [f'<text x="0" y="-8" font-weight="600">{escape(name)}</text>']
    drawn += [f'<rect class="grid" width="{WIDTH}" height="{HEIGHT}"/>']
    for mark in marks:
        drawn.append(f'<line class="grid" x2="{WIDTH}" y1="{y(mark)}" y2="{y(mark)}"/>')
        drawn.append(f'<text x="-6" y="{y(mark) + 4}" text-anchor="end">{100 * mark:.1f} %</text>')
    for tick in (size for power in range(1, 6) for size in (10**power, 2 * 10**power, 5 * 10**power)):
        if least <= tick <= most:
            drawn.append(f'<line class="grid" x1="{x(tick)}" x2="{x(tick)}" y2="{HEIGHT}"/>')
            drawn.append(f'<text x="{x(tick)}" y="{HEIGHT + 15}" text-anchor="middle">{tick:,}</text>')
    for line in lines:
        told = " ".join(f"{x(labels)},{y(score)}" for labels, score in line.points)
        drawn.append(f'<polyline points="{told}" stroke="{colour[line.name]}" stroke-width="1.8"/>')
    return drawn
