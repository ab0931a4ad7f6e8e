"""Facility location: samples that stand for the other uncertain ones."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies.coverage import cover, covered_by
from loopline.select.strategies.margin import logged
from loopline.select.strategies.ordering import completed, known_first


def likeness(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine where it is positive, else 0; any shape, in place.

    >>> likeness(np.array([-0.5, 0.5], np.float32)).tolist()
    [0.0, 0.5]
    """
    return np.maximum(cosines, 0.0, out=cosines)


def arrange(shortlist: Shortlist, wanted: int, rng: np.random.Generator) -> Arrangement:
    """As each adds most to ``sum_i n_i max_s max(0, cos(x_i, x_s))``, n_i the rows of the log that candidate i holds.

    What has labels already counts as taken.
    """
    del rng  # nothing here is left to chance
    rows = len(shortlist.vectors)
    picks = cover(
        shortlist.vectors,
        weights=shortlist.multiplicity.astype(np.float32),
        kernel=likeness,
        covered=covered_by(shortlist.labelled, shortlist.vectors, likeness),
        wanted=wanted,
    )
    return Arrangement(known_first(completed(picks, rows), shortlist.urgency), np.arange(rows))


STRATEGY = Strategy(
    "facility-location.v1", reads="margin", score=logged, sign=1, arrange=arrange, factor=10, needs_labelled=True,
)  # fmt: skip
"""Facility location over the smallest margins.

Source: Wei, Iyer, Bilmes (2015), "Submodularity in data subset selection and active learning", ICML (filtered active
submodular selection).
"""
