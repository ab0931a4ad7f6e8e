"""What the caller gives, as the line of JSON that the server takes."""

from __future__ import annotations

import base64
import datetime
import json
import os
import time
from typing import Any

EXPECTED = "a text, the bytes of an image, or numbers"


def new_id() -> str:
    """A UUID version 7 (RFC 9562, section 5.7): ids made later sort later.

    >>> new_id()[14]
    '7'
    """
    random = int.from_bytes(os.urandom(10), "big")
    value = (time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF) << 80 | random
    value = value & ~(0xF << 76) & ~(0b11 << 62) | 0x7 << 76 | 0b10 << 62
    digits = f"{value:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def line_of(fields: dict[str, Any]) -> bytes:
    """The fields that have a value, as one line of JSON. Raises ValueError or TypeError for what JSON cannot hold.

    >>> line_of({"id": "p1", "group": None, "probabilities": (0.25, 0.75)})
    b'{"id":"p1","probabilities":[0.25,0.75]}'
    """
    present = {name: plain(value) for name, value in fields.items() if value is not None}
    return json.dumps(present, allow_nan=False, separators=(",", ":")).encode()


def input_of(x: Any) -> dict[str, Any]:
    """The field that holds the input, by its type. Raises TypeError or ValueError for what is no single input.

    >>> input_of("so good"), input_of((1, 2.5)), input_of(b"GIF")
    ({'text': 'so good'}, {'features': [1, 2.5]}, {'image': 'R0lG'})
    """
    if isinstance(x, str):
        return {"text": x}
    if isinstance(x, (bytes, bytearray, memoryview)):
        return {"image": base64.b64encode(x).decode()}
    values = plain(x)
    if isinstance(values, list):
        return {"features": row_of(values)}
    raise TypeError(f"input: {type(x).__name__}, expected {EXPECTED}")


def row_of(values: list[Any]) -> list[Any]:
    """One row, also when it comes as a table of one row, as ``model.predict_proba(x)`` takes and gives it.

    >>> row_of([[1.0, 2.0]])
    [1.0, 2.0]
    """
    if not values or not isinstance(values[0], list):
        return values
    if len(values) > 1:
        raise ValueError(f"{len(values)} rows, expected one; call once for each")
    return row_of(values[0])


def plain(value: Any) -> Any:
    """The value as JSON knows it; arrays, tensors and their scalars included.

    >>> plain(({"a": (1, 2)}, "b"))
    [{'a': [1, 2]}, 'b']
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):  # numpy, pandas, torch, array.array
        return plain(value.tolist())
    return float(value)


def moment_of(at: Any) -> float:
    """Seconds since 1970 UTC; a datetime without a zone is local time, as ``datetime.timestamp`` has it.

    >>> moment_of(datetime.datetime(1970, 1, 1, 0, 1, tzinfo=datetime.timezone.utc))
    60.0
    """
    if at is None:
        return time.time()
    return float(at.timestamp() if isinstance(at, datetime.datetime) else at)
