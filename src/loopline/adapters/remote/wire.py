"""Rows as an inference request, and its answer as arrays: JSON, or the binary tensor extension."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.ports.engine import Rows

HEADER_LENGTH = "Inference-Header-Content-Length"
NUMBERS: dict[str, np.dtype[np.float32] | np.dtype[np.float64]] = {"FP32": np.dtype("<f4"), "FP64": np.dtype("<f8")}
DATATYPES = (*NUMBERS, "BYTES")


class Request(NamedTuple):
    """One call: what is sent, and the headers that tell how."""

    body: bytes
    headers: dict[str, str]


class Asked(NamedTuple):
    """How the rows are sent, and which outputs are asked for."""

    name: str
    """Of the input tensor."""
    datatype: str
    dimensions: int
    """Of a tensor of texts: 1 for (n,), 2 for (n, 1)."""
    outputs: tuple[str, ...]
    is_binary: bool


def request(rows: Rows, asked: Asked) -> Request:
    """The rows as one tensor: (n, width) of numbers, (n,) or (n, 1) of texts; of images, what their bytes became."""
    tensor: dict[str, Any] = {"name": asked.name, "datatype": asked.datatype}
    outputs = [{"name": name, "parameters": {"binary_data": asked.is_binary}} for name in asked.outputs]
    if asked.datatype == "BYTES":
        return _json(tensor | {"shape": [len(rows), 1][: asked.dimensions], "data": _texts(rows)}, outputs)
    numbers = np.ascontiguousarray(np.asarray(rows), NUMBERS[asked.datatype])
    tensor["shape"] = list(numbers.shape)
    if not asked.is_binary:
        return _json(tensor | {"data": numbers.ravel().tolist()}, outputs)
    content = numbers.tobytes()
    tensor["parameters"] = {"binary_data_size": len(content)}
    head = msgspec.json.encode({"inputs": [tensor], "outputs": outputs})
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return Request(head + content, headers)


def _json(tensor: dict[str, Any], outputs: list[dict[str, Any]]) -> Request:
    body = msgspec.json.encode({"inputs": [tensor], "outputs": outputs})
    return Request(body, {"content-type": "application/json"})


def _texts(rows: Rows) -> list[str]:
    return [base64.b64encode(row).decode() if isinstance(row, bytes) else str(row) for row in rows]


def answer(body: bytes, *, header_length: str | None, wanted: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The outputs of these names, in the shapes that the server gives. Raises InvalidRecord when one is not there."""
    try:
        length = int(header_length) if header_length else len(body)
        head = msgspec.json.decode(body[:length])
        found, at = {}, length
        for output in head["outputs"]:
            size = (output.get("parameters") or {}).get("binary_data_size")
            found[output["name"]] = _array(output, body[at : at + size] if size is not None else None)
            at += size or 0
        return {name: found[name] for name in wanted}
    except KeyError as error:
        raise InvalidRecord("model server", found=f"an answer without {error}", expected=f"{list(wanted)}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidRecord("model server", found=f"an answer that cannot be read ({error})", expected=_FORM) from error


_FORM = "outputs with name, datatype, shape and data, as the Open Inference Protocol has them"


def _array(output: Mapping[str, Any], content: bytes | None) -> NDArray[np.float32]:
    """One output; those that hold no numbers are empty: nobody asks for them."""
    if output["datatype"] not in NUMBERS:
        return np.empty(0, np.float32)
    if content is None:
        numbers = np.array(output["data"], np.float64)
    else:
        numbers = np.frombuffer(content, NUMBERS[output["datatype"]])
    shape = tuple(map(int, output["shape"]))
    return numbers.reshape(shape).astype(np.float32)
