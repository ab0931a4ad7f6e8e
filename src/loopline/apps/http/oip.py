"""Open Inference Protocol v2: the bytes of a request -> rows, and predictions -> the bytes of a response.

Source: https://github.com/kserve/open-inference-protocol, "Inference Request JSON Object"; in the binary form the
body is a JSON object of ``Inference-Header-Content-Length`` bytes, followed by the tensors in the order of their names.
"""

import json
from typing import Any, NamedTuple, NoReturn

import msgspec
from numpy.typing import NDArray

from loopline.apps.http.tensors import LONGEST_BATCH, Tensor, framed, rows_of
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature
from loopline.serve.informativeness import entropy, margin
from loopline.serve.question import Answer, Rows

Parameter = str | float | bool | None
Described = dict[str, object]
LONGEST_ID = 256
EXTRAS = frozenset({"members", "embedding"})
"""Outputs that a model gives only when it is asked for them."""
DATATYPES = {
    "probabilities": "FP32",
    "label": "BYTES",
    "margin": "FP64",
    "entropy": "FP64",
    "members": "FP32",
    "embedding": "FP32",
}
"""Every output there is."""


class Accepts(NamedTuple):
    """What a request may hold."""

    signature: Signature
    outputs: tuple[str, ...] = ("probabilities", "label")
    """What is answered when it names none."""
    most_rows: int = LONGEST_BATCH


class Request(NamedTuple):
    """An inference request, understood."""

    id: str
    """The caller's; empty when none was given."""
    rows: Rows
    parameters: dict[str, Parameter]
    outputs: tuple[tuple[str, bool], ...]
    """Names of the outputs that were asked for, each with whether it should be binary."""

    @property
    def extras(self) -> frozenset[str]:
        """The outputs that the model has to be asked for."""
        return EXTRAS.intersection(name for name, _ in self.outputs)

    def parameter(self, name: str) -> str:
        """The parameter as a text; empty without it."""
        return spoken(self.parameters.get(name))


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


def parse(body: bytes, *, header_length: int | None, accepts: Accepts) -> Request:
    """The request in the body; ``header_length`` is None when all of it is JSON. Raises InvalidRecord.

    The one input may have any name.

    >>> body = b'{"id": "r1", "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["so good"]}]}'
    >>> parse(body, header_length=None, accepts=Accepts(Signature(input="text", labels=("no", "yes")))).rows
    ('so good',)
    """
    length = len(body) if header_length is None else header_length
    if not 0 <= length <= len(body):
        expected = f"0 to {len(body)}, the length of the body: the length of its JSON part, unpacked"
        raise InvalidRecord("Inference-Header-Content-Length", found=str(length), expected=expected)
    request = _decode(body if length == len(body) else body[:length])
    if len(request.inputs) != 1:
        raise InvalidRecord("inputs", found=f"{len(request.inputs)} tensors", expected="1")
    if len(request.id) > LONGEST_ID or not request.id.isprintable():
        found = f"{len(request.id)} characters, {request.id[:20]!r}..."
        raise InvalidRecord("id", found=found, expected=f"at most {LONGEST_ID} printable characters")
    tensor = _tensor(request.inputs[0], tail=body[length:])
    return Request(
        id=request.id,
        rows=rows_of(tensor, signature=accepts.signature, most=accepts.most_rows),
        parameters=request.parameters,
        outputs=_outputs(request, usual=accepts.outputs),
    )


def respond(request: Request, *, answer: Answer) -> tuple[bytes, int | None]:
    """The response to the request, and the length of its JSON part when tensors follow."""
    described: list[Described] = []
    tail: list[bytes] = []
    for output, is_binary in request.outputs:
        tensor: Described = {"name": output, "datatype": DATATYPES[output]}
        if output == "label":
            labels = labels_of(answer)
            tensor["shape"] = [len(labels)]
            content, values = (framed(labels), None) if is_binary else (b"", labels)
        else:
            array = column(output, answer=answer)
            tensor["shape"] = list(array.shape)
            content, values = (array.tobytes(), None) if is_binary else (b"", array.ravel().tolist())
        if is_binary:
            tensor["parameters"] = {"binary_data_size": len(content)}
            tail.append(content)
        else:
            tensor["data"] = values
        described.append(tensor)
    version, name = answer.version, answer.asked.question.id
    about = {"model_name": version.loop, "model_version": version.name, "id": name, "outputs": described}
    header = msgspec.json.encode(about)
    return (b"".join([header, *tail]), len(header)) if tail else (header, None)


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
        raise InvalidRecord(thing, found=what, expected=f"binary_data_size {spoken(size)} alone")
    is_json = size is None
    return Tensor(
        name=found.name,
        datatype=found.datatype,
        shape=tuple(found.shape),
        json=content if is_json else None,
        binary=None if is_json else tail,
    )


def _outputs(request: _Body, *, usual: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
    is_binary = request.parameters.get("binary_data_output") is True if request.parameters else False
    if not request.outputs:
        return tuple([(name, is_binary) for name in usual])
    for output in request.outputs:
        if output.name not in DATATYPES:
            raise InvalidRecord("outputs", found=repr(output.name), expected=" or ".join(DATATYPES))
        if "classification" in output.parameters:
            found = "parameter classification"
            raise InvalidRecord(
                f"output {output.name!r}", found=found, expected="none: ask for label and probabilities"
            )
    return tuple([(output.name, output.parameters.get("binary_data", is_binary) is True) for output in request.outputs])


def column(output: str, *, answer: Answer) -> NDArray[Any]:
    """The numbers of one output, rows first; labels aside. Raises InvalidRecord for what the version does not give."""
    found = _array(output, answer=answer)
    if found is None:
        thing = f"output {output!r}"
        expected = "an output that it gives"
        raise InvalidRecord(thing, found=f"nothing, from version {answer.version.name}", expected=expected)
    return found


def _array(output: str, *, answer: Answer) -> NDArray[Any] | None:
    match output:
        case "probabilities":
            return answer.given
        case "margin":
            return margin(answer.given)
        case "entropy":
            return entropy(answer.given)
        case "members":
            return answer.members
        case _:
            return answer.embedding


def labels_of(answer: Answer) -> list[str]:
    """The most likely class of each row; of equally likely ones the first."""
    p, labels = answer.given, answer.version.signature.labels
    if len(p) == 1:
        row = p[0].tolist()
        return [labels[row.index(max(row))]]
    return [labels[best] for best in p.argmax(axis=1).tolist()]


def spoken(value: Parameter) -> str:
    """A parameter as a text; whole numbers without a point, nothing for null.

    >>> spoken(7.0), spoken(None), spoken(True)
    ('7', '', 'True')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
