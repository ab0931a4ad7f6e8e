"""From passes over the pool to a shortlist that is long enough: more rows are asked for until it is."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.ports.columns import Sketch
from loopline.select.shortlist import LONGEST, Shortlisted, Wish, shortlisted
from loopline.select.sifting import Merged, freed, merged

Survey = Callable[[int, str], Sequence[Sketch]]
"""One pass over the pool, given how many of the best rows are wanted, and whose rows go first."""


class Grown(NamedTuple):
    """The pool, near duplicates folded, and those of it that the strategy looked at."""

    sketches: Sequence[Sketch]
    pool: Merged
    listed: Shortlisted
    first: str
    """The version whose rows went before those of others; empty: none did."""


def grown(survey: Survey, wish: Wish, *, taken: NDArray[np.uint64], seed: int) -> Grown:
    """The shortlist of a selection: ``factor`` candidates a sample of the batch, and doubled until they are enough.

    Rows of the selecting version go first where it answered enough of them; else the version makes no difference.
    ``taken``: content keys that nobody is to be asked about, ascending. They were the most informative once, so a pass
    asks for some more rows than candidates; and again for twice as many while the candidates are not all certain.
    """
    size = wish.strategy.factor * wish.wanted
    most = size + min(len(taken), size)
    first, sketches = wish.model, survey(most, wish.model)
    pool = merged(sketches, taken=taken)
    while True:
        while not pool.is_whole and len(pool.best) < size:
            most *= 2
            sketches = survey(most, first)
            pool = merged(sketches, taken=taken)
        if first and _current(sketches, pool, size=size) < min(size, len(pool.content)):
            # A version that has answered little so far: its rows alone would make a poor choice.
            first, sketches = "", survey(most, "")
            pool = merged(sketches, taken=taken)
            continue
        listed = shortlisted(sketches, pool, wish, size=size, rng=np.random.default_rng(seed))
        if listed.is_enough(wish) or size >= min(len(pool.content), max(LONGEST, size)):
            return Grown(sketches, pool._replace(content=freed(pool.content, listed.folded)), listed, first)
        size = min(2 * size, max(LONGEST, size))
        most = max(most, size)


def _current(sketches: Sequence[Sketch], pool: Merged, *, size: int) -> int:
    """How many of the best samples the version that goes first has answered."""
    best = zip(pool.piece[:size].tolist(), pool.row[:size].tolist(), strict=True)
    return sum(bool(sketches[piece].is_current[row]) for piece, row in best)
