"""Tensors of the Open Inference Protocol as rows of a signature, and probabilities as tensors.

Source: Open Inference Protocol v2, "Tensor Data"; the binary form: Triton's "Binary Tensor Data Extension".
"""

import base64
import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.records.signature import Signature
from loopline.serve.question import Rows

NUMBERS = {
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
}
"""Datatypes that hold feature values, with their binary form: little-endian, row-major."""
KINDS = {name: np.dtype(form) for name, form in NUMBERS.items()}
FLAT: dict[str, Any] = {"text": list[str], "f": list[float], "i": list[int], "u": list[int]}
"""What the data is decoded as, by kind of number or text."""
NESTED: dict[str, Any] = {"text": list[list[str]], "f": list[list[float]], "i": list[list[int]], "u": list[list[int]]}
LONGEST_BATCH = 100_000
"""Rows in one request, unless told otherwise."""
SHAPES = {"text": "[n] or [n, 1]", "image": "[n] or [n, 1]"}


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One input as it came in: its data as JSON, or as bytes."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    json: bytes | None
    binary: bytes | None


def rows_of(tensor: Tensor, *, signature: Signature, most: int = LONGEST_BATCH) -> Rows:
    """The rows in the tensor: texts and images from BYTES of shape [n] or [n, 1], numbers from shape [n, width].

    In JSON an image stands in base64.

    Raises InvalidRecord that names what was found and what the signature expects.

    >>> words = Tensor(name="text", datatype="BYTES", shape=(2,), json=b'["a", "b"]', binary=None)
    >>> rows_of(words, signature=Signature(input="text", labels=("no", "yes")))
    ('a', 'b')
    """
    thing = f"input {tensor.name!r}"
    is_table, shape = signature.input == "tabular", tensor.shape
    if tensor.datatype not in NUMBERS if is_table else tensor.datatype != "BYTES":
        allowed = tuple(NUMBERS) if is_table else ("BYTES",)
        raise InvalidRecord(thing, found=f"datatype {tensor.datatype}", expected=" or ".join(allowed))
    fits = shape[1:] == (signature.width,) if is_table else shape[1:] in ((), (1,))
    if not shape or not fits or not 0 < shape[0] <= most:
        expected = SHAPES.get(signature.input, f"[n, {signature.width}]")
        raise InvalidRecord(thing, found=f"shape {list(shape)}", expected=f"{expected}, n from 1 to {most:,}")
    if is_table:
        return _table(tensor, thing=thing)
    return _texts(tensor, thing=thing) if signature.input == "text" else _images(tensor, thing=thing)


def _texts(tensor: Tensor, *, thing: str) -> tuple[str, ...]:
    texts: list[str]
    if tensor.binary is None:
        texts = _values(tensor, kind="text", thing=thing)
    else:
        try:
            texts = [element.decode() for element in _elements(tensor.binary, thing=thing)]
        except UnicodeDecodeError as error:
            raise InvalidRecord(thing, found=f"bytes that are no text ({error})", expected="UTF-8") from error
    _count(len(texts), tensor=tensor, thing=thing)
    return tuple(texts)


def _images(tensor: Tensor, *, thing: str) -> tuple[bytes, ...]:
    if tensor.binary is not None:
        images = _elements(tensor.binary, thing=thing)
    else:
        try:
            images = [base64.b64decode(text, validate=True) for text in _values(tensor, kind="text", thing=thing)]
        except ValueError as error:
            raise InvalidRecord(thing, found=f"a text that is no base64 ({error})", expected="images") from error
    _count(len(images), tensor=tensor, thing=thing)
    return tuple(images)


def _table(tensor: Tensor, *, thing: str) -> NDArray[np.float64]:
    kind = KINDS[tensor.datatype]
    if tensor.binary is None:
        flat = _numbers(tensor, kind=kind, thing=thing)
    elif len(tensor.binary) % kind.itemsize:
        found = f"{len(tensor.binary)} bytes"
        raise InvalidRecord(thing, found=found, expected=f"a multiple of {kind.itemsize} for {tensor.datatype}")
    else:
        flat = np.frombuffer(tensor.binary, kind)
    _count(len(flat), tensor=tensor, thing=thing)
    table = flat.reshape(tensor.shape).astype(np.float64, copy=False)
    # The sum of the squares is finite only when every number is; when it overflows by itself, each is looked at.
    if not math.isfinite(np.vdot(table, table)) and not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0].tolist()
        found = f"{table[row, column]} in row {row}, column {column}"
        raise InvalidRecord(thing, found=found, expected="finite numbers")
    return table


def _numbers(tensor: Tensor, *, kind: np.dtype[Any], thing: str) -> NDArray[Any]:
    values: list[float] = _values(tensor, kind=kind.kind, thing=thing)
    try:
        if kind.itemsize == 8:
            return np.array(values, kind)
        with np.errstate(over="ignore"):  # what is too large for the type becomes infinite, and is named as such
            return np.array(values, kind)
    except OverflowError as error:
        raise InvalidRecord(thing, found=str(error), expected=f"numbers that fit {tensor.datatype}") from error


def _values(tensor: Tensor, *, kind: str, thing: str) -> list[Any]:
    """The elements in row-major order, whether they came flat or nested as their shape is."""
    content = tensor.json or b""
    is_nested = len(tensor.shape) == 2 and content.lstrip()[1:].lstrip().startswith(b"[")
    try:
        if not is_nested:
            flat: list[Any] = msgspec.json.decode(content, type=FLAT[kind])
            return flat
        nested: list[list[Any]] = msgspec.json.decode(content, type=NESTED[kind])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRecord(thing, found=f"data: {error}", expected=f"{tensor.datatype} elements") from error
    for number, row in enumerate(nested):
        if len(row) != tensor.shape[1]:
            raise InvalidRecord(thing, found=f"{len(row)} elements in row {number}", expected=str(tensor.shape[1]))
    return [value for row in nested for value in row]


def _count(found: int, *, tensor: Tensor, thing: str) -> None:
    if found != math.prod(tensor.shape):
        expected = f"{math.prod(tensor.shape)} for shape {list(tensor.shape)}"
        raise InvalidRecord(thing, found=f"{found} elements", expected=expected)


def _elements(data: bytes, *, thing: str) -> list[bytes]:
    """The elements of a BYTES tensor: each is its length in 4 bytes, little-endian, and then so many bytes."""
    elements: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + 4
        stop = start + struct.unpack_from("<I", data, at)[0] if start <= len(data) else len(data) + 1
        if stop > len(data):
            found = f"element {len(elements)} that ends after the data"
            raise InvalidRecord(thing, found=found, expected="4 bytes of length before each element")
        elements.append(data[start:stop])
        at = stop
    return elements


def framed(elements: Sequence[str]) -> bytes:
    r"""The texts in the binary form of a BYTES tensor.

    >>> framed(["a", ""])
    b'\x01\x00\x00\x00a\x00\x00\x00\x00'
    """
    encoded = [element.encode() for element in elements]
    return b"".join(struct.pack("<I", len(element)) + element for element in encoded)
