"""ONNX classifiers: one input, and among the outputs one of probabilities."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.records.model import EngineName
from loopline.records.signature import Row, Signature

LABELS_KEY = "labels"
"""Metadata of the file: the class names in the order of its probability columns, as a JSON list."""
INPUTS = {"tensor(string)": np.object_, "tensor(float)": np.float32, "tensor(double)": np.float64}
PROBABILITIES = ("tensor(float)", "tensor(double)", "seq(map(string,tensor(float)))", "seq(map(int64,tensor(float)))")


class OnnxEngine:
    """Loads classifiers as skl2onnx and others write them, whether their probabilities are a tensor or maps (zipmap).

    Maps name their classes. Columns of a tensor are in the order of the file's metadata ``labels``, a JSON list, or
    else in the order of the signature; the version's checks catch a file for which that is not so.
    """

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> "OnnxPredictor":
        """The predictor in these bytes. Raises InvalidRecord: no such model, or it does not fit the signature."""
        if engine != "onnx":
            raise InvalidRecord("model", found=f"engine {engine}", expected="onnx")
        session = _session(artifact)
        inputs, outputs = session.get_inputs(), session.get_outputs()
        kinds = ("tensor(string)",) if signature.input == "text" else ("tensor(float)", "tensor(double)")
        if len(inputs) != 1 or inputs[0].type not in kinds:
            found = f"inputs {[one.type for one in inputs]}"
            raise InvalidRecord("ONNX model", found=found, expected=f"one {' or '.join(kinds)}")
        chosen = [one for one in outputs if one.type in PROBABILITIES]
        if not chosen:
            found = f"outputs {[one.type for one in outputs]}"
            raise InvalidRecord("ONNX model", found=found, expected="one of probabilities")
        columns = _columns(_named(session, signature=signature), signature=signature)
        predictor = OnnxPredictor(session, output=chosen[-1].name, labels=signature.labels, columns=columns)
        return _tried(predictor, signature=signature)


class OnnxPredictor:
    """A loaded session with one thread; sessions may be run by many threads at once."""

    def __init__(self, session: Any, *, output: str, labels: Sequence[str], columns: Sequence[int]) -> None:
        self._session, self._output, self._labels, self._columns = session, output, tuple(labels), list(columns)
        self._input = session.get_inputs()[0]

    def predict(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes)."""
        features: NDArray[Any] = np.array(rows, INPUTS[self._input.type])
        if features.ndim < len(self._input.shape):
            features = features.reshape(len(rows), 1)
        found = self._session.run([self._output], {self._input.name: features})[0]
        if isinstance(found, list):
            by_name = [{str(name): p for name, p in row.items()} for row in found]
            return np.array([[row[label] for label in self._labels] for row in by_name], np.float32)
        if found.ndim != 2 or found.shape[1] != len(self._columns):
            expected = f"one column for each of {list(self._labels)}"
            raise InvalidRecord("ONNX model", found=f"output of shape {found.shape}", expected=expected)
        return np.asarray(found[:, self._columns], np.float32)


def _session(artifact: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    faults = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        return onnxruntime.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])
    except (
        faults.InvalidProtobuf,
        faults.InvalidGraph,
        faults.InvalidArgument,
        faults.Fail,
        faults.NotImplemented,
    ) as error:
        raise InvalidRecord("ONNX model", found=_one_line(error), expected="a model that onnxruntime loads") from error


def _named(session: Any, *, signature: Signature) -> list[str]:
    """The classes in the order that the file names, or else in the signature's."""
    expected = f"a JSON list of {list(signature.labels)}"
    try:
        text = session.get_modelmeta().custom_metadata_map.get(LABELS_KEY)
        named = json.loads(text) if text else list(signature.labels)
    except (ValueError, RecursionError) as error:
        raise InvalidRecord("ONNX model", found=f"labels: {_one_line(error)}", expected=expected) from error
    if not isinstance(named, list):
        raise InvalidRecord("ONNX model", found=f"labels of type {type(named).__name__}", expected=expected)
    return [str(name) for name in named]


def _columns(classes: Sequence[str], *, signature: Signature) -> list[int]:
    """For each label of the signature, the model's column."""
    if sorted(classes) != sorted(signature.labels):
        raise InvalidRecord("ONNX model", found=f"classes {classes}", expected=f"{list(signature.labels)}")
    return [classes.index(label) for label in signature.labels]


def _tried(predictor: OnnxPredictor, *, signature: Signature) -> OnnxPredictor:
    """The predictor, once it has answered one plain row with one probability a class."""
    import onnxruntime

    faults = onnxruntime.capi.onnxruntime_pybind11_state
    row: Row = "a" if signature.input == "text" else (0.0,) * signature.width
    expected = f"one probability for each of {list(signature.labels)}"
    try:
        predictor.predict([row])
    except (faults.InvalidArgument, faults.Fail, faults.RuntimeException, KeyError) as error:
        found = f"{type(error).__name__}: {_one_line(error)}"
        raise InvalidRecord("ONNX model", found=found, expected=expected) from error
    return predictor


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
