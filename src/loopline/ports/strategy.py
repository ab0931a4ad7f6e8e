"""How to choose what to ask people about: data and functions, so that built-in and foreign strategies look alike."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.ports.columns import Reads


class Shortlist(NamedTuple):
    """The candidates of a selection, most informative first, near duplicates folded. Arrays share their first axis."""

    urgency: NDArray[np.float32]
    """(n,) ascending; small is informative, +inf where unknown."""
    probabilities: NDArray[np.float32]
    """(n, classes), rows sum to 1: as the serving model answered."""
    members: NDArray[np.float32]
    """(n, members, classes): what each part of a committee says; (n, 0, classes) where there is none."""
    vectors: NDArray[np.float32]
    """(n, d) of unit length or zero: where each candidate lies."""
    multiplicity: NDArray[np.int64]
    """(n,) rows of the log that hold this or a nearly identical input, at least 1."""
    labelled: NDArray[np.float32]
    """(m, d) unit vectors of samples that already have labels, in the same space; m may be 0."""
    labels: NDArray[np.int64]
    """(m,) the class of each of these, in [0, classes)."""


class Arrangement(NamedTuple):
    """A shortlist in order of preference."""

    order: NDArray[np.int64]
    """(n,) indices into the shortlist, most wanted first; a permutation."""
    cluster: NDArray[np.int64]
    """(n,) the cluster of each candidate, in the shortlist's order; all distinct where the strategy has none."""


class Learned(NamedTuple):
    """Samples that have labels already."""

    inputs: Sequence[bytes]
    """Canonical rows."""
    labels: Sequence[str]
    """One a row."""


class Strategy(NamedTuple):
    """One named way to choose. The name carries a version, so that a stored selection can be replayed."""

    name: str
    """``cluster-margin.v1``."""
    reads: Reads
    """The column of the log that holds its informativeness; empty: candidates are a uniform draw of the pool."""
    score: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    """The column, (n,) or (n, members, classes), -> (n,) scores as stored with each candidate; NaN where unusable."""
    sign: int
    """+1: small scores are informative; -1: large ones."""
    arrange: Callable[[Shortlist, int, np.random.Generator], Arrangement] | None = None
    """(shortlist, wanted, rng) -> the order in which it wants the first ``wanted`` at least; None: as they come."""
    factor: int = 5
    """Candidates per sample of the batch, to begin with."""
    sharpness: float = 4.0
    """Exponent of the weight ``rank ** -sharpness`` with which ranks are drawn; 0 draws uniformly."""
    needs_members: bool = False
    """Whether it asks a committee: the log's own members, or else the last kept versions of the model."""
    needs_labelled: bool = False
    """Whether it looks at what already has labels."""
