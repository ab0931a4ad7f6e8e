"""How far people agree beyond chance."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.bootstrap import percentiles, resampled
from loopline.annotate.coefficients import Coefficient, alpha, patterns
from loopline.annotate.distances import nominal

Numbers = NDArray[np.float64]


class Agreement(NamedTuple):
    """A coefficient of agreement and what it rests on."""

    value: float
    """At most 1; 0 is chance; NaN where it is not defined: nothing was answered twice, or everybody said one thing."""
    samples: int
    """Samples with two or more answers."""
    low: float = math.nan
    """The interval over samples, where one was asked for."""
    high: float = math.nan


def agreements(
    votes: Numbers,
    coefficients: Mapping[str, Coefficient],
    *,
    rng: np.random.Generator | None = None,
    resamples: int = 1_000,
) -> dict[str, Agreement]:
    """Each coefficient of agreement, and with a generator its 95 % bootstrap interval, all over the same resamples.

    ``votes``: (samples, values), how many people gave each value. Of a stratum, or of some people: those votes alone.

    >>> from loopline.annotate.coefficients import fleiss
    >>> agreements(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]), {"fleiss": fleiss})["fleiss"].value.__round__(3)
    0.333
    """
    every = patterns(votes)
    drawn = None if rng is None else resampled(every, rng, resamples=resamples)
    samples, found = int(every.paired.samples.sum()), {}
    for name, coefficient in coefficients.items():
        value = float(coefficient(every, every.samples[None, :])[0])
        low, high = (math.nan, math.nan) if drawn is None else percentiles(coefficient(every, drawn))
        found[name] = Agreement(value, samples, low, high)
    return found


def krippendorff_alpha(votes: Numbers, *, distance: Numbers | None = None) -> Agreement:
    """Krippendorff's alpha: one minus observed over expected disagreement.

    ``votes``: (samples, values), how many people gave each value; ``distance``: (values, values), for labels without
    an order if not given. NaN without two answers to any sample, and where everybody said one and the same thing.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.

    >>> krippendorff_alpha(np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 3.0], [1.0, 0.0]]))[:2]
    (1.0, 3)
    """
    apart = nominal(votes.shape[1]) if distance is None else distance
    return agreements(votes, {"alpha": alpha(apart)})["alpha"]
