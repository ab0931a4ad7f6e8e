"""ONNX classifiers: one input, and among the outputs one of probabilities."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.ports.engine import Rows, Said
from loopline.records.model import EngineName
from loopline.records.signature import Row, Signature

LABELS_KEY = "labels"
"""Metadata of the file: the class names in the order of its probability columns, as a JSON list."""
INPUTS = {"tensor(string)": np.object_, "tensor(float)": np.float32, "tensor(double)": np.float64}
NUMBERS = ("tensor(float)", "tensor(double)")
PROBABILITIES = (*NUMBERS, "seq(map(string,tensor(float)))", "seq(map(int64,tensor(float)))")
EXTRAS = {"members": 3, "embedding": 2}
"""Outputs that a file may have beside its probabilities, by name, and their dimensions."""


class OnnxEngine:
    """Loads classifiers as skl2onnx and others write them, whether their probabilities are a tensor or maps (zipmap).

    Maps name their classes. Columns of a tensor are in the order of the file's metadata ``labels``, a JSON list, or
    else in the order of the signature; the version's checks catch a file for which that is not so. An output called
    ``members`` (n, members, classes) or ``embedding`` (n, dimensions) is given to whoever asks for it.
    """

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> "OnnxPredictor":
        """The predictor in these bytes. Raises InvalidRecord: no such model, or it does not fit the signature.

        Images come to it as the numbers that their preprocessing makes of them.
        """
        if engine != "onnx":
            raise InvalidRecord("model", found=f"engine {engine}", expected="onnx")
        session = _session(artifact)
        inputs = session.get_inputs()
        kinds = ("tensor(string)",) if signature.input == "text" else NUMBERS
        if len(inputs) != 1 or inputs[0].type not in kinds:
            found = f"inputs {[one.type for one in inputs]}"
            raise InvalidRecord("ONNX model", found=found, expected=f"one {' or '.join(kinds)}")
        columns = _columns(_named(session, signature=signature), signature=signature)
        predictor = OnnxPredictor(session, output=_output(session), labels=signature.labels, columns=columns)
        return _tried(predictor, signature=signature) if signature.input != "image" else predictor


class OnnxPredictor:
    """A loaded session with one thread; sessions may be run by many threads at once."""

    def __init__(self, session: Any, *, output: str, labels: Sequence[str], columns: Sequence[int]) -> None:
        # The public ``run`` checks the names at each call before it does just this: 0.9 of 4.9 us for a small model.
        self._run = getattr(session, "_sess", session).run
        self._outputs, self._labels = [output], tuple(labels)
        self._columns = None if list(columns) == sorted(columns) else np.array(columns)
        asked = session.get_inputs()[0]
        self._input, self._dtype, self._dimensions = asked.name, INPUTS[asked.type], len(asked.shape)
        named = {one.name for one in session.get_outputs() if one.type in NUMBERS and one.name != output}
        self._extras = [name for name in EXTRAS if name in named]

    def predict(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes)."""
        return self._distributions(self._run(self._outputs, {self._input: self._features(rows)}, None)[0])

    def observe(self, rows: Rows, *, extras: frozenset[str]) -> Said:
        """The same probabilities, with those of ``extras`` that the file has."""
        if extras.isdisjoint(self._extras):  # of most models: as quick as predict
            return Said(self.predict(rows))
        wanted = [name for name in self._extras if name in extras]
        found = self._run([*self._outputs, *wanted], {self._input: self._features(rows)}, None)
        more = {name: np.asarray(of, np.float32) for name, of in zip(wanted, found[1:], strict=True)}
        for name, of in more.items():
            if of.ndim != EXTRAS[name] or of.shape[0] != len(rows):
                expected = f"{EXTRAS[name]} dimensions, the first of {len(rows)}"
                raise InvalidRecord(f"ONNX model output {name}", found=f"shape {of.shape}", expected=expected)
        if "members" in more:
            more["members"] = self._ordered(more["members"])
        return Said(self._distributions(found[0]), **more)

    def _features(self, rows: Rows) -> NDArray[Any]:
        if not isinstance(rows, np.ndarray):
            rows = np.array(rows, self._dtype)
        if rows.ndim != self._dimensions:
            rows = rows.reshape(len(rows), *((-1,) if self._dimensions > 1 else ()))
        return rows.astype(self._dtype, copy=False)

    def _distributions(self, found: Any) -> NDArray[np.float32]:
        if isinstance(found, list):
            by_name = [{str(name): p for name, p in row.items()} for row in found]
            return np.array([[row[label] for label in self._labels] for row in by_name], np.float32)
        if found.ndim != 2:
            raise self._refused(found)
        return self._ordered(found)

    def _ordered(self, found: Any) -> NDArray[np.float32]:
        """Columns, the last axis, in the order of the labels."""
        if found.shape[-1] != len(self._labels):
            raise self._refused(found)
        if self._columns is not None:
            found = found.take(self._columns, -1)
        ordered: NDArray[np.float32] = found.astype(np.float32, copy=False)
        return ordered

    def _refused(self, found: Any) -> InvalidRecord:
        expected = f"one column for each of {list(self._labels)}"
        return InvalidRecord("ONNX model", found=f"output of shape {found.shape}", expected=expected)


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
        faults.RuntimeException,
    ) as error:
        raise InvalidRecord("ONNX model", found=_one_line(error), expected="a model that onnxruntime loads") from error


def _output(session: Any) -> str:
    """The output of probabilities: the one called so, else the last that can be it."""
    outputs = session.get_outputs()
    chosen = [one.name for one in outputs if one.type in PROBABILITIES and one.name not in EXTRAS]
    if not chosen:
        raise InvalidRecord(
            "ONNX model", found=f"outputs {[one.type for one in outputs]}", expected="one of probabilities"
        )
    return "probabilities" if "probabilities" in chosen else str(chosen[-1])


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
        predictor.observe([row], extras=frozenset(EXTRAS))
    except (faults.InvalidArgument, faults.Fail, faults.RuntimeException, KeyError, ValueError) as error:
        if isinstance(error, InvalidRecord):
            raise
        found = f"{type(error).__name__}: {_one_line(error)}"
        raise InvalidRecord("ONNX model", found=found, expected=expected) from error
    return predictor


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
