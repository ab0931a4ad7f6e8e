"""What a model takes and gives, and the hash that serving, log, dataset and training must share."""

import base64
import hashlib
import math
from typing import Literal

import msgspec

from loopline.errors import InvalidRecord
from loopline.records.ids import Digest

InputKind = Literal["text", "tabular", "image"]
Row = str | tuple[float, ...] | bytes
"""One input, decoded: a text, a tuple of feature values, or the bytes of an image file."""
JsonRow = str | tuple[float, ...]
"""A row as JSON holds it: the bytes of an image in base64."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The contract of a model: one kind of input row, one ordered set of labels."""

    input: InputKind
    """``text``: one string a row; ``tabular``: ``width`` finite numbers a row; ``image``: one image file a row."""
    width: int = 0
    """Features in a tabular row; 0 for text and images."""
    labels: tuple[str, ...]
    """Class names in the order of the probability columns; at least two, no repeats."""
    preprocessing: str = ""
    """For images, how bytes become numbers, by name: ``rgb-224x224-chw-imagenet.v1``; part of the contract."""

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            found = f"labels {list(self.labels)}"
            raise InvalidRecord("signature", found=found, expected="two or more distinct labels")
        if (self.input == "tabular") != (self.width > 0):
            found = f"{self.input} of width {self.width}"
            raise InvalidRecord("signature", found=found, expected="width > 0 for tabular, else 0")

    @property
    def digest(self) -> Digest:
        """Hex SHA-256 of the canonical JSON form; equal exactly when the contracts are equal."""
        fields = {
            name: value for name, value in msgspec.structs.asdict(self).items() if name != "preprocessing" or value
        }
        return Digest(hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest())

    @property
    def spoken(self) -> str:
        """The contract in words.

        >>> Signature(input="tabular", width=2, labels=("a", "b")).spoken
        'tabular of width 2 with labels [a, b]'
        """
        width = f" of width {self.width}" if self.width else ""
        return f"{self.input}{width} with labels [{', '.join(self.labels)}]"

    def encode(self, row: Row) -> bytes:
        """The canonical bytes of one row, the same for the same row everywhere: JSON text; of an image, its bytes.

        >>> Signature(input="tabular", width=2, labels=("a", "b")).encode((1.0, 2.5))
        b'[1.0,2.5]'
        """
        return row if isinstance(row, bytes) else msgspec.json.encode(row)

    def decode(self, inputs: bytes) -> Row:
        """The row behind its canonical bytes; raises InvalidRecord when they do not fit the signature.

        >>> Signature(input="text", labels=("a", "b")).decode(b'"hello"')
        'hello'
        """
        if self.input == "image":
            return inputs
        try:
            row: Row
            if self.input == "text":
                row = msgspec.json.decode(inputs, type=str)
            else:
                row = msgspec.json.decode(inputs, type=tuple[float, ...])
        except msgspec.DecodeError as error:
            raise InvalidRecord("row", found=str(error), expected=f"one {self.input} row as JSON") from error
        self.check(row)
        return row

    def spelled(self, row: Row) -> JsonRow:
        """The row as JSON holds it: an image in base64.

        >>> Signature(input="image", labels=("a", "b")).spelled(b"GIF")
        'R0lG'
        """
        return base64.b64encode(row).decode() if isinstance(row, bytes) else row

    def read(self, row: JsonRow) -> Row:
        """The row behind what ``spelled`` gave. Raises InvalidRecord unless it fits.

        >>> Signature(input="image", labels=("a", "b")).read("R0lG")
        b'GIF'
        """
        try:
            found = base64.b64decode(row, validate=True) if self.input == "image" and isinstance(row, str) else row
        except ValueError as error:
            raise InvalidRecord("row", found=f"a text that is no base64 ({error})", expected="an image") from error
        self.check(found)
        return found

    def check(self, row: Row) -> None:
        """Raise InvalidRecord, naming what was found, unless the row fits."""
        kind = {str: "a text", bytes: "an image"}.get(type(row), f"{len(row)} numbers")
        expected = {"text": "a text", "image": "an image"}.get(self.input, f"{self.width} numbers")
        if kind != expected:
            raise InvalidRecord("row", found=kind, expected=expected)
        if isinstance(row, str | bytes):
            return
        if not all(map(math.isfinite, row)):
            column = next(i for i, value in enumerate(row) if not math.isfinite(value))
            raise InvalidRecord("row", found=f"{row[column]} in column {column}", expected="finite numbers")
