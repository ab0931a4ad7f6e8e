"""What the drift detector compares: the frozen reference and the latest tick, as two outlines over [0, 1]."""

from typing import NamedTuple

from loopline.records.signal import Measurement

BARS = 32
WIDTH, HEIGHT = 640, 180
FOOT = 24


class Bin(NamedTuple):
    """One bar of both histograms."""

    lower: float
    """Where it begins, in [0, 1]."""
    reference: float
    """Share of the reference in it, in [0, 1]."""
    latest: float
    """Share of the latest tick in it, in [0, 1]."""


class Outline(NamedTuple):
    """The drawing."""

    bins: tuple[Bin, ...]
    reference: str
    """A closed SVG path."""
    latest: str
    """An open SVG path."""
    width: int = WIDTH
    height: int = HEIGHT
    base: int = HEIGHT - FOOT


def outline_of(measurement: Measurement) -> Outline | None:
    """Both histograms folded to 32 bars; None before both hold something."""
    reference, latest = folded(measurement.reference), folded(measurement.latest)
    if not sum(reference) or not sum(latest):
        return None
    bins = tuple(Bin(i / BARS, reference[i] / sum(reference), latest[i] / sum(latest)) for i in range(BARS))
    peak = max(max(bar.reference, bar.latest) for bar in bins)
    base = HEIGHT - FOOT
    return Outline(
        bins=bins,
        reference=f"M0 {base} {_steps([bar.reference / peak for bar in bins])} V{base} Z",
        latest=f"M0 {base} {_steps([bar.latest / peak for bar in bins])} V{base}",
    )


def folded(histogram: tuple[int, ...]) -> list[int]:
    """The counts in 32 equal bars.

    >>> folded((1,) * 1024)[:3]
    [32, 32, 32]
    """
    wide = max(1, len(histogram) // BARS)
    return [sum(histogram[i * wide : (i + 1) * wide]) for i in range(BARS)]


def _steps(heights: list[float]) -> str:
    wide, base = WIDTH / BARS, HEIGHT - FOOT
    return " ".join(f"V{base - h * (base - 8):.1f} H{(i + 1) * wide:.1f}" for i, h in enumerate(heights))
