"""Models that answer."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from loopline.ports.ledger import Ledger
from loopline.ports.object_store import ObjectStore
from loopline.records.model import EngineName, ModelVersion
from loopline.records.signature import Row, Signature

Rows = Sequence[Row] | NDArray[np.float64]
"""Texts, images or feature tuples; a table may come as one array of shape (rows, width)."""


class Said(NamedTuple):
    """All that a model says about n rows; what it does not give, or was not asked for, is None."""

    probabilities: NDArray[np.float32]
    """(n, classes), in the order of the signature's labels; rows sum to 1."""
    members: NDArray[np.float32] | None = None
    """(n, members, classes): what each part of a committee says."""
    embedding: NDArray[np.float32] | None = None
    """(n, dimensions)."""


class Predictor(Protocol):
    """A loaded model. Thread-safe. Raises whatever the model raises; the caller records it as a failure."""

    def predict(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes), in the order of the signature's labels; rows sum to 1."""
        ...

    def observe(self, rows: Rows, *, extras: frozenset[str]) -> Said:
        """The same probabilities, and those of ``extras`` ("members", "embedding") that the model can give."""
        ...


class Engine(Protocol):
    """Turns stored artefacts into predictors."""

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> Predictor:
        """The predictor in these bytes. Raises InvalidRecord when they are not such a model or hold untrusted types."""
        ...


class Shelf(NamedTuple):
    """Where loaded versions come from: what is known of them, their bytes, and what loads these."""

    ledger: Ledger
    objects: ObjectStore
    engine: Engine

    def load(self, version: ModelVersion) -> tuple[Predictor, bytes]:
        """The version's predictor and its checks. Raises InvalidRecord; NotFound or Unavailable without the bytes."""
        artifact, checks = self.objects.get(version.artifact), self.objects.get(version.checks)
        return self.engine.load(artifact, engine=version.engine, signature=version.signature), checks
