"""How far a coefficient of agreement can be off, because these samples were asked about and not others."""

import math

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.coefficients import Patterns

LEVEL = 0.95


def resampled(every: Patterns, rng: np.random.Generator, *, resamples: int) -> NDArray[np.float64]:
    """(resamples, patterns) How often each pattern is met in as many samples, drawn with replacement.

    Samples are drawn, not answers: the answers to one sample stand or fall together. Drawing from patterns is drawing
    from samples, since those of a pattern are alike.

    Source: Efron 1979, Annals of Statistics 7(1); for agreement over samples, Zapf et al. 2016, BMC Medical Research
    Methodology 16:93.

    >>> every = Patterns(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([50.0, 50.0]))
    >>> resampled(every, np.random.default_rng(0), resamples=3).sum(axis=1).tolist()
    [100.0, 100.0, 100.0]
    """
    samples = every.samples.sum()
    if samples == 0:
        return np.zeros((resamples, 0))
    return rng.multinomial(int(samples), every.samples / samples, size=resamples).astype(np.float64)


def percentiles(figures: NDArray[np.float64], *, level: float = LEVEL) -> tuple[float, float]:
    """The middle ``level`` of these figures, (resamples,); those that are NaN are left out, NaN when all are.

    >>> percentiles(np.array([0.5, np.nan, 0.5]))
    (0.5, 0.5)
    """
    told = figures[~np.isnan(figures)]
    if len(told) == 0:
        return math.nan, math.nan
    low, high = np.quantile(told, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
