"""scikit-learn classifiers, kept as skops files: a file names types, and only known ones are built."""

import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopline.adapters.sklearn.members import has_members, members
from loopline.errors import InvalidRecord
from loopline.ports.engine import Rows, Said
from loopline.records.model import EngineName
from loopline.records.signature import Signature

TRUSTED = frozenset(
    {
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)
"""Parts of scikit-learn's own classifiers that skops does not trust by itself. They hold numbers and run no code of
the file's, but trees are walked by compiled code: the files come from the owner's own training, not from strangers."""


def package(estimator: object, *, signature: Signature) -> bytes:
    """The fitted classifier as bytes that ``SklearnEngine`` loads. Raises InvalidRecord when it would be refused."""
    import skops.io

    _columns(estimator, signature=signature)
    content: bytes = skops.io.dumps(estimator)
    _check_types(content)
    return content


class SklearnEngine:
    """Loads scikit-learn classifiers and pipelines that end in one."""

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> "SklearnPredictor":
        """The predictor in these bytes. Raises InvalidRecord: no such file, untrusted types, other classes.

        Images come to it as the numbers that their preprocessing makes of them.
        """
        if engine != "sklearn":
            raise InvalidRecord("model", found=f"engine {engine}", expected="sklearn")
        estimator = opened(artifact)
        return SklearnPredictor(estimator, columns=_columns(estimator, signature=signature))


def opened(artifact: bytes) -> Any:
    """The estimator in a skops file. Raises InvalidRecord: no such file, or untrusted types."""
    import skops.io

    _check_types(artifact)
    return skops.io.loads(artifact, trusted=sorted(TRUSTED))


class SklearnPredictor:
    """A loaded classifier; its columns are put in the order of the signature's labels."""

    def __init__(self, estimator: Any, *, columns: Sequence[int]) -> None:
        self._estimator, self._columns = estimator, list(columns)
        self.extras: frozenset[str] = frozenset({"members"} if has_members(estimator) else ())
        """What it gives beside the distribution."""

    def predict(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes)."""
        return np.asarray(self._estimator.predict_proba(_features(rows))[:, self._columns], np.float32)

    def observe(self, rows: Rows, *, extras: frozenset[str]) -> Said:
        """The same probabilities, with what each part of a forest, a bagging or a vote says."""
        if "members" not in extras & self.extras:
            return Said(self.predict(rows))
        said = members(self._estimator, _features(rows))[:, :, self._columns]
        return Said(self.predict(rows), members=np.asarray(said, np.float32))


def _features(rows: Rows) -> Any:
    if isinstance(rows, np.ndarray):
        return rows if rows.ndim == 2 else rows.reshape(len(rows), -1)
    return list(rows) if isinstance(rows[0], str) else np.array(rows, np.float64)


def _check_types(artifact: bytes) -> None:
    """Raise InvalidRecord unless the bytes are a skops file of trusted types; nothing is built from it here."""
    import skops.io

    try:
        untrusted = set(skops.io.get_untrusted_types(data=artifact)) - TRUSTED
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InvalidRecord("model", found=f"no skops file ({error})", expected="one made by 'package'") from error
    if untrusted:
        remedy = "keep own code out of the model, or serve it as ONNX"
        found = f"untrusted types {', '.join(sorted(untrusted))}"
        raise InvalidRecord("model", found=found, expected="parts of scikit-learn, numpy and scipy", remedy=remedy)


def _columns(estimator: object, *, signature: Signature) -> list[int]:
    """For each label of the signature, the classifier's column."""
    if not hasattr(estimator, "predict_proba") or not hasattr(estimator, "classes_"):
        found = f"{type(estimator).__name__} without probabilities or not fitted"
        raise InvalidRecord("model", found=found, expected="a fitted classifier with predict_proba")
    classes = [str(name) for name in estimator.classes_]
    if sorted(classes) != sorted(signature.labels):
        raise InvalidRecord("model", found=f"classes {classes}", expected=f"{list(signature.labels)}")
    return [classes.index(label) for label in signature.labels]
