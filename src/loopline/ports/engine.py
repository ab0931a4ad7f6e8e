"""Models that answer."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loopline.records.model import EngineName
from loopline.records.signature import Row, Signature


class Predictor(Protocol):
    """A loaded model."""

    def predict(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes), in the order of the signature's labels; rows sum to 1.

        Thread-safe. Raises whatever the model raises; the caller records it as a failure.
        """
        ...


class Engine(Protocol):
    """Turns stored artefacts into predictors."""

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> Predictor:
        """The predictor in these bytes. Raises InvalidRecord when they are not such a model or hold untrusted types."""
        ...
