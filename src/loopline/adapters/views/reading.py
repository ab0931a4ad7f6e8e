"""What every view does with inputs that cannot be read: it shows a text that says so."""

from loopline.errors import InvalidRecord
from loopline.ports.view import Shown
from loopline.records.signature import Row, Signature


def row_of(inputs: bytes, signature: Signature) -> Row | None:
    """The row behind its canonical bytes; None when they do not fit the signature."""
    try:
        return signature.decode(inputs)
    except (InvalidRecord, UnicodeDecodeError, RecursionError):
        return None


def unshown(inputs: bytes, *, expected: str) -> Shown:
    """The view of what cannot be shown.

    >>> unshown(b"{", expected="a row of 2 numbers")
    {'kind': 'text', 'text': 'This sample cannot be shown: found 1 byte, expected a row of 2 numbers.'}
    """
    size = f"{len(inputs):,} byte" + ("s" if len(inputs) != 1 else "")
    return {"kind": "text", "text": f"This sample cannot be shown: found {size}, expected {expected}."}
