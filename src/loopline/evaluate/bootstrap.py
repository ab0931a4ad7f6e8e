"""One-sided bounds for the difference of any metric between two models on the same rows, by the BCa bootstrap.

Rows are resampled in pairs: a row drawn for the challenger is drawn for the incumbent too. The bias correction z0 is
read from the share of resampled differences below the observed one, the acceleration a from the jackknife, and the
bound is the quantile of the resampled differences at Phi(z0 + (z0 + z) / (1 - a (z0 + z))).

Source: Efron, JASA 82 (1987) 171-185; Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 14.
Its error rate is close to alpha, not below it for certain: the gate uses exact bounds for accuracy instead.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

_CELLS = 4_000_000  # resampled counts held at once: 32 MB
_FEW_KINDS = 64  # above, drawing row by row is cheaper than drawing counts of every kind


class Bounds(NamedTuple):
    """What the bootstrap says of one difference."""

    lower: float
    """One-sided lower bound at alpha."""
    upper: float
    """One-sided upper bound at alpha."""
    standard_error: float


def resamples_for(alpha: float) -> int:
    """How many resamples leave twenty beyond the bound: between 2,000 and 100,000.

    >>> resamples_for(0.05), resamples_for(0.001), resamples_for(1e-6)
    (2000, 20000, 100000)
    """
    return int(min(max(2_000, np.ceil(20 / alpha)), 100_000))


def bca_bounds(
    contributions: Floats,
    *,
    statistic: Callable[[Floats], Floats],
    alpha: float,
    resamples: int,
    generator: np.random.Generator,
) -> Bounds:
    """Lower and upper bound of a difference that is a function of sums over rows.

    ``contributions``: (n, numbers), one line a row, both models side by side; ``statistic``: sums (..., numbers) ->
    differences (...). Equal rows are drawn together, so that counting metrics cost the number of distinct rows.
    The order of the rows does not matter.

    >>> rows = np.stack([np.arange(100.0), np.ones(100)], axis=1)
    >>> mean = bca_bounds(rows, statistic=lambda s: s[..., 0] / s[..., 1], alpha=0.05, resamples=2000,
    ...                   generator=np.random.default_rng(1))
    >>> 43 < mean.lower < 46 < 53 < mean.upper < 56  # 49.5 -+ 1.645 * 2.89
    True
    """
    kinds, counts = np.unique(contributions, axis=0, return_counts=True)
    observed = float(statistic((counts[:, None] * kinds).sum(axis=0)))
    drawn = _resample(kinds, counts, statistic=statistic, resamples=resamples, generator=generator)
    z0 = float(ndtri(np.clip(_share_below(drawn, observed), 0.5 / resamples, 1 - 0.5 / resamples)))
    acceleration = _acceleration(kinds, counts, statistic=statistic)

    def bound(level: float) -> float:
        z = z0 + float(ndtri(level))
        return float(np.quantile(drawn, float(ndtr(z0 + z / max(1 - acceleration * z, 1e-6)))))

    return Bounds(bound(alpha), bound(1 - alpha), float(drawn.std(ddof=1)))


def _resample(
    kinds: Floats,
    counts: NDArray[np.int64],
    *,
    statistic: Callable[[Floats], Floats],
    resamples: int,
    generator: np.random.Generator,
) -> Floats:
    n = int(counts.sum())
    few = len(counts) <= _FEW_KINDS
    chunk = max(1, _CELLS // (len(counts) if few else n))
    sizes = [min(chunk, resamples - done) for done in range(0, resamples, chunk)]
    if few:
        sums = (generator.multinomial(n, counts / n, size=size).astype(np.float64) @ kinds for size in sizes)
    else:
        rows = np.repeat(kinds, counts, axis=0)
        sums = (_sums_of(rows, generator.integers(0, n, size=(size, n), dtype=np.int32)) for size in sizes)
    return np.concatenate([statistic(each) for each in sums])


def _sums_of(rows: Floats, drawn: NDArray[np.int32]) -> Floats:
    """The sums over each line of drawn rows; a column of equal numbers needs no drawing."""
    n = len(rows)
    columns = [n * column[0] if (column == column[0]).all() else column[drawn].sum(axis=1) for column in rows.T]
    return np.stack([np.broadcast_to(column, len(drawn)) for column in columns], axis=1)


def _share_below(drawn: Floats, observed: float) -> float:
    """Ties count half: a counting metric lands on the observed value often."""
    slack = 1e-12 * max(1.0, abs(observed))
    return float((drawn < observed - slack).mean() + 0.5 * (np.abs(drawn - observed) <= slack).mean())


def _acceleration(kinds: Floats, counts: NDArray[np.int64], *, statistic: Callable[[Floats], Floats]) -> float:
    """A sixth of the skewness of the jackknife values; 0 for a single row, which cannot be left out."""
    if counts.sum() < 2:
        return 0.0
    left_out = statistic((counts[:, None] * kinds).sum(axis=0) - kinds)
    gap = np.average(left_out, weights=counts) - left_out
    spread = float((counts * gap**2).sum())
    return float((counts * gap**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
