"""Models that a factory of the owner's makes: ``module:factory`` or ``file.py:factory``.

Such a model is code that runs in this process with all its rights. It is taken only from the owner's own ``loop.toml``
or command line, never from an upload or an answer of a training run.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.adapters.python.source import Sought, find
from loopline.errors import InvalidRecord
from loopline.ports.engine import Rows, Said
from loopline.records.ids import Digest
from loopline.records.model import EngineName
from loopline.records.signature import Signature

EXTRAS = {"members": "members", "embedding": "embed"}
"""What a model may give beside its probabilities, and the method that gives it."""
SOUGHT = Sought("[serve] model", "model", "model")


class Factory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The artefact: where the factory stands, and its source as it was when the model was registered."""

    entry: str
    folder: str
    digest: Digest
    """BLAKE3 of the file or module that the factory stands in; what that imports in turn is not covered."""


def package(entry: str, *, folder: Path) -> bytes:
    """The artefact of the factory as it stands now. Raises as ``find`` does."""
    code = find(entry, folder=folder, sought=SOUGHT).code
    return msgspec.json.encode(Factory(entry=entry, folder=str(folder), digest=code), order="sorted")


class PythonEngine:
    """Calls the factory, which gives an object with ``predict_proba(rows)``, or ``predict(rows)`` as good as that.

    ``rows`` are a float64 array (rows, width) of a table, the array that the preprocessing makes of images, or a list
    of texts. Columns of the answer are as the object's ``classes_`` says, or else as the signature's labels. Methods
    ``members(rows)``, (n, members, classes), and ``embed(rows)``, (n, dimensions), are used when they are there. All
    must stand being called by several threads at once.
    """

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> "PythonPredictor":
        """The predictor that the factory makes. Raises InvalidRecord when its source is not what was registered.

        Also raises InvalidRecord when it makes no such object or one of other classes, and whatever the factory raises.
        """
        if engine != "python":
            raise InvalidRecord("model", found=f"engine {engine}", expected="python")
        try:
            named = msgspec.json.decode(artifact, type=Factory)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRecord(
                "Python model", found=str(error), expected="entry, folder and digest as JSON"
            ) from error
        source = find(named.entry, folder=Path(named.folder), sought=SOUGHT)
        if source.code != named.digest:
            raise InvalidRecord(
                f"Python model {named.entry}",
                found=f"source {source.code[:12]}",
                expected=f"{named.digest[:12]}, as it was registered",
                remedy="put it back, or register it as a new version",
            )
        return _predictor(source.call(), thing=f"Python model {named.entry}", signature=signature)


class PythonPredictor:
    """An object of the owner's; its columns are put in the order of the signature's labels."""

    def __init__(self, model: Any, *, columns: Sequence[int]) -> None:
        self._predict = getattr(model, "predict_proba", None) or model.predict
        self._model, self._columns = model, list(columns)

    def predict(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes)."""
        return self._ordered(self._predict(_plain(rows)))

    def observe(self, rows: Rows, *, extras: frozenset[str]) -> Said:
        """The same probabilities, with those of ``extras`` that the object has a method for."""
        plain = _plain(rows)
        found = {name: getattr(self._model, of)(plain) for name, of in EXTRAS.items() if self._has(name, extras)}
        more = {name: np.asarray(said, np.float32) for name, said in found.items()}
        if "members" in more:
            more["members"] = self._ordered(more["members"])
        return Said(self.predict(rows), **more)

    def _has(self, name: str, extras: frozenset[str]) -> bool:
        return name in extras and callable(getattr(self._model, EXTRAS[name], None))

    def _ordered(self, said: Any) -> NDArray[np.float32]:
        p = np.asarray(said, np.float32)
        if not p.ndim or p.shape[-1] != len(self._columns):
            expected = f"{len(self._columns)} columns"
            raise InvalidRecord("Python model", found=f"an answer of shape {p.shape}", expected=expected)
        return p[..., self._columns]


def _plain(rows: Rows) -> Any:
    if isinstance(rows, np.ndarray):
        return rows
    return np.array(rows, np.float64) if isinstance(rows[0], tuple) else list(rows)


def _predictor(model: Any, *, thing: str, signature: Signature) -> PythonPredictor:
    if not callable(getattr(model, "predict_proba", None) or getattr(model, "predict", None)):
        found = f"a factory that makes {type(model).__name__}"
        raise InvalidRecord(thing, found=found, expected="an object with predict_proba(rows), or predict(rows)")
    named = getattr(model, "classes_", None)
    classes = [str(name) for name in (signature.labels if named is None else named)]
    if sorted(classes) != sorted(signature.labels):
        raise InvalidRecord(thing, found=f"classes {classes}", expected=f"{list(signature.labels)}")
    return PythonPredictor(model, columns=[classes.index(label) for label in signature.labels])
