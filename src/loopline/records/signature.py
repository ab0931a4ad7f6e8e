"""What a model takes and gives, and the hash that serving, log, dataset and training must share."""

import hashlib
import math
from typing import Literal

import msgspec

from loopline.errors import InvalidRecord
from loopline.records.ids import Digest

InputKind = Literal["text", "tabular"]
Row = str | tuple[float, ...]
"""One input, decoded: a text, or a tuple of feature values."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """The contract of a model: one kind of input row, one ordered set of labels."""

    input: InputKind
    """``text``: one string a row; ``tabular``: ``width`` finite numbers a row."""
    width: int = 0
    """Features in a tabular row; 0 for text."""
    labels: tuple[str, ...]
    """Class names in the order of the probability columns; at least two, no repeats."""

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            found = f"labels {list(self.labels)}"
            raise InvalidRecord("signature", found=found, expected="two or more distinct labels")
        if (self.input == "tabular") != (self.width > 0):
            found = f"{self.input} of width {self.width}"
            raise InvalidRecord("signature", found=found, expected="width 0 for text, else > 0")

    @property
    def digest(self) -> Digest:
        """Hex SHA-256 of the canonical JSON form; equal exactly when the contracts are equal."""
        return Digest(hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest())

    @property
    def spoken(self) -> str:
        """The contract in words.

        >>> Signature(input="tabular", width=2, labels=("a", "b")).spoken
        'tabular of width 2 with labels [a, b]'
        """
        width = f" of width {self.width}" if self.width else ""
        return f"{self.input}{width} with labels [{', '.join(self.labels)}]"

    def encode(self, row: Row) -> bytes:
        """The canonical bytes of one row: JSON text, the same for the same row everywhere.

        >>> Signature(input="tabular", width=2, labels=("a", "b")).encode((1.0, 2.5))
        b'[1.0,2.5]'
        """
        return msgspec.json.encode(row)

    def decode(self, inputs: bytes) -> Row:
        """The row behind its canonical bytes; raises InvalidRecord when they do not fit the signature.

        >>> Signature(input="text", labels=("a", "b")).decode(b'"hello"')
        'hello'
        """
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

    def check(self, row: Row) -> None:
        """Raise InvalidRecord, naming what was found, unless the row fits."""
        if isinstance(row, str):
            if self.input != "text":
                raise InvalidRecord("row", found="a text", expected=f"{self.width} numbers")
            return
        if self.input != "tabular" or len(row) != self.width:
            expected = "a text" if self.input == "text" else f"{self.width} numbers"
            raise InvalidRecord("row", found=f"{len(row)} numbers", expected=expected)
        if not all(map(math.isfinite, row)):
            column = next(i for i, value in enumerate(row) if not math.isfinite(value))
            raise InvalidRecord("row", found=f"{row[column]} in column {column}", expected="finite numbers")
