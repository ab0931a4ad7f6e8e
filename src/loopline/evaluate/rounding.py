"""Numbers that a trainer may see without learning the reserve by heart."""

import math


def shown(value: float, *, n: int) -> float:
    """The value rounded to the coarsest step that still says something at ``n`` rows.

    The step is the smallest of 1, 2, 5 times a power of ten that is no finer than ``0.5 / sqrt(n)``, the largest
    standard error of a proportion: what is rounded away is noise, and noise is what repeated peeking would fit.
    Source: the Ladder mechanism, Blum and Hardt, ICML 2015 (arXiv 1502.04585).

    >>> shown(0.6137, n=400), shown(0.6137, n=10_000)
    (0.6, 0.615)
    """
    finest = 0.5 / math.sqrt(n)
    power = 10.0 ** math.floor(math.log10(finest))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= finest * (1 - 1e-12))
    return round(round(value / step) * step, 12)
