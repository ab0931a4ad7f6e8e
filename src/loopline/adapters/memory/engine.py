"""Models that are a JSON text: a linear softmax over words or columns, for tests and scripted loops."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.ports.engine import Rows, Said
from loopline.records.model import EngineName
from loopline.records.signature import Row, Signature


class _Linear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weights: dict[str, list[float]]
    fails_on: str = ""
    is_committee: bool = False


TEMPERATURES = (0.5, 1.0, 2.0)
"""The members of a committee: the same scores, divided by each of these."""


def linear(weights: Mapping[str, Sequence[float]], *, fails_on: str = "", is_committee: bool = False) -> bytes:
    """An artefact for MemoryEngine: for each word (or column number) its log-odds, one a class.

    The model raises RuntimeError on a text that has the word ``fails_on``. A committee gives members and an embedding.
    """
    model = _Linear({word: list(w) for word, w in weights.items()}, fails_on, is_committee)
    return msgspec.json.encode(model, order="sorted")


class MemoryEngine:
    """Loads what ``linear`` made, whatever the engine is called."""

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> "LinearPredictor":
        """The predictor in these bytes. Raises InvalidRecord."""
        try:
            model = msgspec.json.decode(artifact, type=_Linear)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRecord(f"{engine} model", found=str(error), expected="weights as JSON") from error
        classes, expected = len(signature.labels), f"one for each of {list(signature.labels)}"
        odd = sorted(word for word, weights in model.weights.items() if len(weights) != classes)
        if odd:
            found = f"{len(model.weights[odd[0]])} weights for {odd[0]!r}"
            raise InvalidRecord(f"{engine} model", found=found, expected=expected)
        return LinearPredictor(model, classes=classes)


class LinearPredictor:
    """p = softmax of the sum of the weights of the words in the text, or of column value times weight."""

    def __init__(self, model: _Linear, *, classes: int) -> None:
        self._weights = {word: np.array(w, np.float64) for word, w in model.weights.items()}
        self._fails_on, self._is_committee, self._classes = model.fails_on, model.is_committee, classes

    def predict(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes)."""
        return _softmax(self._scores(rows))

    def observe(self, rows: Rows, *, extras: frozenset[str]) -> Said:
        """The same probabilities; of a committee, its members at three temperatures, and the scores as embedding."""
        scores = self._scores(rows)
        wanted = extras if self._is_committee else frozenset[str]()
        members = np.stack([_softmax(scores / t) for t in TEMPERATURES], axis=1) if "members" in wanted else None
        return Said(_softmax(scores), members, scores.astype(np.float32) if "embedding" in wanted else None)

    def _scores(self, rows: Rows) -> NDArray[np.float64]:
        return np.array([self._score(row) for row in rows]).reshape(len(rows), self._classes)

    def _score(self, row: Row | NDArray[np.float64]) -> NDArray[np.float64]:
        if isinstance(row, str):
            words = row.split()
            if self._fails_on and self._fails_on in words:
                raise RuntimeError(f"no answer for {self._fails_on!r}")
            amounts = [(word, 1.0) for word in words]
        else:
            amounts = [(str(column), value) for column, value in enumerate(row)]
        none = np.zeros(self._classes)
        return sum((amount * self._weights[word] for word, amount in amounts if word in self._weights), start=none)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
