"""Open Inference Protocol v2: the bytes of a request -> rows, and predictions -> the bytes of a response.

Source: https://github.com/kserve/open-inference-protocol, "Inference Request JSON Object"; in the binary form the
body is a JSON object of ``Inference-Header-Content-Length`` bytes, followed by the tensors in the order of their names.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import msgspec
import numpy as np

from loopline.apps.http.tensors import Tensor, framed, rows_of
from loopline.errors import InvalidRecord
from loopline.records.ids import LoopName, VersionName
from loopline.records.model import ModelVersion
from loopline.records.prediction import Prediction
from loopline.records.signature import Row, Signature

Parameter = str | float | bool | None
Described = dict[str, object]
OUTPUTS = ("probabilities", "label")
LONGEST_ID = 256


class Request(NamedTuple):
    """An inference request, understood."""

    id: str
    """The caller's; empty when none was given."""
    rows: tuple[Row, ...]
    parameters: dict[str, str]
    outputs: tuple[tuple[str, bool], ...]
    """Names of the outputs that were asked for, each with whether it should be binary."""


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw()
    parameters: dict[str, Parameter] = {}


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Parameter] = {}


class _Body(msgspec.Struct):
    inputs: list[_Input]
    id: str = ""
    outputs: list[_Output] = []
    parameters: dict[str, Parameter] = {}


def parse(body: bytes, *, header_length: int | None, signature: Signature) -> Request:
    """The request in the body; ``header_length`` is None when all of it is JSON. Raises InvalidRecord.

    The one input may have any name.

    >>> body = b'{"id": "r1", "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["so good"]}]}'
    >>> parse(body, header_length=None, signature=Signature(input="text", labels=("no", "yes"))).rows
    ('so good',)
    """
    length = len(body) if header_length is None else header_length
    if not 0 <= length <= len(body):
        expected = f"0 to {len(body)}, the length of the body"
        raise InvalidRecord("Inference-Header-Content-Length", found=str(length), expected=expected)
    request = _decode(body[:length])
    if len(request.inputs) != 1:
        raise InvalidRecord("inputs", found=f"{len(request.inputs)} tensors", expected="1")
    if len(request.id) > LONGEST_ID or not request.id.isprintable():
        found = f"{len(request.id)} characters, {request.id[:20]!r}..."
        raise InvalidRecord("id", found=found, expected=f"at most {LONGEST_ID} printable characters")
    tensor = _tensor(request.inputs[0], tail=body[length:])
    return Request(
        id=request.id,
        rows=rows_of(tensor, signature=signature),
        parameters={name: _text(value) for name, value in request.parameters.items()},
        outputs=_outputs(request),
    )


def respond(request: Request, *, name: str, answers: Sequence[Prediction]) -> tuple[bytes, int | None]:
    """The response to the request, and the length of its JSON part when tensors follow; one model gave all answers.

    ``name`` is the id to echo. Outputs: ``probabilities`` FP32 (n, classes), ``label`` BYTES (n,).
    """
    described: list[Described] = []
    tail: list[bytes] = []
    for output, is_binary in request.outputs:
        shape, datatype, values, content = _column(output, answers=answers)
        tensor: Described = {"name": output, "shape": shape, "datatype": datatype}
        if is_binary:
            tensor["parameters"] = {"binary_data_size": len(content)}
            tail.append(content)
        else:
            tensor["data"] = values
        described.append(tensor)
    about = {"model_name": answers[0].loop, "model_version": answers[0].model, "id": name}
    header = msgspec.json.encode(about | {"outputs": described})
    return b"".join([header, *tail]), len(header) if tail else None


def server(version: str) -> Described:
    """What the server says of itself."""
    return {"name": "loopline", "version": version, "extensions": ["binary_tensor_data"]}


def model(name: LoopName, *, signature: Signature, versions: Sequence[VersionName]) -> Described:
    """What the server says of a model: its versions, what it takes, what it gives."""
    is_text = signature.input == "text"
    takes = {
        "name": "text" if is_text else "features",
        "datatype": "BYTES" if is_text else "FP64",
        "shape": [-1] if is_text else [-1, signature.width],
    }
    gives = [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(signature.labels)]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
    ]
    return {"name": name, "versions": list(versions), "platform": "loopline", "inputs": [takes], "outputs": gives}


def repository(
    name: LoopName, *, loaded: Sequence[ModelVersion], refusals: dict[VersionName, str]
) -> list[dict[str, str]]:
    """Every version that is loaded, and every one that was refused, with the reason."""
    ready = [{"name": name, "version": version.name, "state": "READY", "reason": ""} for version in loaded]
    refused = [
        {"name": name, "version": version, "state": "UNAVAILABLE", "reason": reason}
        for version, reason in sorted(refusals.items())
    ]
    return ready + refused


def _decode(header: bytes) -> _Body:
    try:
        return msgspec.json.decode(header, type=_Body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        _raise_for_constants(header)
        raise InvalidRecord("request", found=str(error), expected="an inference request as JSON") from error


def _raise_for_constants(header: bytes) -> None:
    """JSON has no NaN and no Infinity, but many programs write them: name what was found, not the byte it is at."""

    def refuse(constant: str) -> NoReturn:
        raise InvalidRecord("request", found=f"{constant} in the JSON", expected="finite numbers")

    try:
        json.loads(header, parse_constant=refuse)
    except InvalidRecord:
        raise
    except (ValueError, RecursionError):
        return


def _tensor(found: _Input, *, tail: bytes) -> Tensor:
    size = found.parameters.get("binary_data_size")
    thing, content = f"input {found.name!r}", bytes(found.data)
    if size is None and (tail or not content):
        what = f"{len(tail)} bytes after the JSON" if tail else "no data"
        raise InvalidRecord(thing, found=what, expected="data, or parameter binary_data_size with as many bytes")
    if size is not None and (content or size != len(tail)):
        what = "both data and binary_data_size" if content else f"{len(tail)} bytes after the JSON"
        raise InvalidRecord(thing, found=what, expected=f"binary_data_size {_text(size)} alone")
    is_json = size is None
    return Tensor(
        name=found.name,
        datatype=found.datatype,
        shape=tuple(found.shape),
        json=content if is_json else None,
        binary=None if is_json else tail,
    )


def _outputs(request: _Body) -> tuple[tuple[str, bool], ...]:
    is_binary = request.parameters.get("binary_data_output") is True
    if not request.outputs:
        return tuple((name, is_binary) for name in OUTPUTS)
    for output in request.outputs:
        if output.name not in OUTPUTS:
            raise InvalidRecord("outputs", found=repr(output.name), expected=" or ".join(OUTPUTS))
    return tuple((output.name, output.parameters.get("binary_data", is_binary) is True) for output in request.outputs)


def _column(output: str, *, answers: Sequence[Prediction]) -> tuple[list[int], str, object, bytes]:
    """Shape, datatype, the values as JSON takes them, and the values as bytes."""
    if output == "label":
        labels = [answer.label for answer in answers]
        return [len(labels)], "BYTES", labels, framed(labels)
    p = np.array([answer.probabilities for answer in answers], "<f4")
    return list(p.shape), "FP32", p.ravel().tolist(), p.tobytes()


def _text(value: Parameter) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
