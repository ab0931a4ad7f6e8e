"""What a trainer returned -> the artefact that serving loads, and rows to hold serving to."""

from typing import Any, NamedTuple

import numpy as np

from loopline.apps.worker.dataset import Dataset
from loopline.errors import InvalidRecord
from loopline.ports.engine import Engine
from loopline.records.model import Checks, EngineName
from loopline.records.signature import Signature

CHECK_ROWS = 16


class Packed(NamedTuple):
    """A model as bytes, and what loads them."""

    engine: EngineName
    artifact: bytes


def pack(model: Any, *, signature: Signature, entry: str) -> Packed:
    """The model as an artefact: scikit-learn by skops, ONNX as it is. Raises InvalidRecord for anything else."""
    if isinstance(model, bytes):
        return Packed("onnx", model)
    if type(model).__name__ == "ModelProto" and hasattr(model, "SerializeToString"):
        return Packed("onnx", model.SerializeToString())
    if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
        from loopline.adapters.sklearn.engine import package

        return Packed("sklearn", package(model, signature=signature))
    raise InvalidRecord(
        entry,
        found=f"returned {_described(model)}",
        expected="a fitted scikit-learn classifier (predict_proba and classes_), an ONNX model, or its bytes",
    )


def checks_of(packed: Packed, *, dataset: Dataset, signature: Signature) -> Checks:
    """Up to 16 rows spread over the dataset, with what the packaged model, loaded as serving loads it, says of them."""
    predictor = _engine(packed.engine).load(packed.artifact, engine=packed.engine, signature=signature)
    places = np.unique(np.linspace(0, len(dataset) - 1, CHECK_ROWS).round().astype(int))
    rows = [dataset.rows[place] for place in places]
    probabilities = predictor.predict(rows)
    return Checks(rows=tuple(rows), probabilities=tuple(tuple(map(float, line)) for line in probabilities))


def _engine(name: EngineName) -> Engine:
    if name == "onnx":
        from loopline.adapters.onnx.engine import OnnxEngine

        return OnnxEngine()
    from loopline.adapters.sklearn.engine import SklearnEngine

    return SklearnEngine()


def _described(model: Any) -> str:
    if model is None:
        return "nothing"
    kind = type(model)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    lacking = [one for one in ("predict_proba", "classes_") if not hasattr(model, one)]
    fitted = hasattr(model, "fit") and lacking
    return f"{name} without {' and '.join(lacking)}" if fitted else f"an object of type {name}"
