"""The world without a network: handwritten digits, held nearly straight first, turned later."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from loopline.apps.demo.world import Sample, World

LABELS = tuple(map(str, range(10)))
RATERS = 7
"""Simulated people who looked at each digit."""
SLIP = 0.06
"""How often one of them misreads it."""
CUTS = (540, 940, 1_010, 1_130, 1_510, 1_600)
"""Where the 1,797 shuffled images are cut into seven parts, one a purpose."""


class View(NamedTuple):
    """How the images of one part are seen."""

    name: str
    times: int
    """Views of each image, each at its own angle."""
    degrees: tuple[float, float]
    """The angle is drawn uniformly between these."""
    raters: int = 0
    slip: float = 0.0


STRAIGHT, TURNED = (-8.0, 8.0), (20.0, 45.0)


def digit_world(*, seed: int = 7) -> World:
    """The frozen plan for scikit-learn's 1,797 digits of 8 x 8 pixels; no image serves two purposes."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    rng = np.random.default_rng(seed)
    parts = np.split(rng.permutation(len(digits.target)), CUTS)
    plan = (
        View("base", 2, STRAIGHT),
        View("anchor", 1, STRAIGHT),
        View("gold", 2, STRAIGHT, RATERS),
        View("before", 8, STRAIGHT, RATERS, SLIP),
        View("after", 7, TURNED, RATERS, SLIP),
        View("old", 4, STRAIGHT),
        View("new", 4, TURNED),
    )
    base, anchor, gold, before, after, old, new = (
        _seen(digits.images[part], digits.target[part], view, rng) for part, view in zip(parts, plan, strict=True)
    )
    return World(
        loop="digits",
        dataset="scikit-learn's handwritten digits, turned by 20 to 45 degrees as the drift, with simulated raters",
        before_name="straight digits",
        after_name="turned digits",
        input="tabular",
        width=64,
        labels=LABELS,
        base=base,
        anchor=anchor,
        gold=gold,
        before=before,
        after=after,
        measured_old=old,
        measured_new=new,
        asked_per_label=3,
        seed=seed,
    )


def _seen(images: NDArray[np.float64], digits: Sequence[int], view: View, rng: Generator) -> tuple[Sample, ...]:
    """Every image of the part, ``times`` over; all images once before any comes again."""
    return tuple(
        Sample(
            id=f"{view.name}-{place}-{turn}",
            row=_turned(image, rng.uniform(*view.degrees)),
            label=LABELS[digit],
            ratings=_rated(int(digit), view, rng),
        )
        for turn in range(view.times)
        for place, (image, digit) in enumerate(zip(images, digits, strict=True))
    )


def _turned(image: NDArray[np.float64], degrees: float) -> tuple[float, ...]:
    """The 64 pixels of the turned image, in [0, 1]."""
    from scipy.ndimage import rotate

    turned = np.clip(rotate(image, degrees, reshape=False, order=1), 0.0, 16.0) / 16.0
    return tuple(round(float(pixel), 4) for pixel in turned.ravel())


def _rated(digit: int, view: View, rng: Generator) -> tuple[str, ...]:
    slips = rng.random(view.raters) < view.slip
    others = rng.integers(1, len(LABELS), view.raters)
    return tuple(
        LABELS[(digit + int(other)) % 10 if slip else digit] for slip, other in zip(slips, others, strict=True)
    )
