"""Any engine, for images: it gets the numbers that the signature's preprocessing makes of the bytes."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from loopline.adapters.pillow.preprocessing import Preprocessing, parsed
from loopline.ports.engine import Engine, Predictor, Rows, Said
from loopline.records.model import EngineName
from loopline.records.signature import Signature


class ImageEngine:
    """Texts and tables go to the engine inside as they are; images are decoded first, as the signature names it."""

    def __init__(self, inside: Engine) -> None:
        self._inside = inside

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> Predictor:
        """The predictor in these bytes. Raises InvalidRecord as the engine inside, and for an unknown preprocessing."""
        if signature.input != "image":
            return self._inside.load(artifact, engine=engine, signature=signature)
        preprocessing = parsed(signature.preprocessing)
        found = self._inside.load(artifact, engine=engine, signature=signature)
        return ImagePredictor(found, preprocessing=preprocessing)


class ImagePredictor:
    """A predictor of numbers, asked about the bytes of images."""

    def __init__(self, inside: Predictor, *, preprocessing: Preprocessing) -> None:
        self._inside, self._preprocessing = inside, preprocessing

    def predict(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes). Raises InvalidRecord for an image that cannot be read."""
        return self._inside.predict(self._numbers(rows))

    def observe(self, rows: Rows, *, extras: frozenset[str]) -> Said:
        """As the predictor inside."""
        return self._inside.observe(self._numbers(rows), extras=extras)

    def _numbers(self, rows: Rows) -> NDArray[np.float64]:
        read = self._preprocessing.read(cast(Sequence[bytes], rows))
        return cast(NDArray[np.float64], read)  # single precision, as the preprocessing says; predictors convert
