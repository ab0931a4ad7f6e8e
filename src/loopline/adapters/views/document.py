"""A text that is a JSON document, as its parts."""

from collections.abc import Sequence
from typing import Any

import msgspec

from loopline.adapters.views.reading import row_of
from loopline.adapters.views.text import TextView
from loopline.ports.view import Shown, Usual
from loopline.records.signature import Signature

LARGEST = 1 << 53
"""Whole numbers beyond it would change in a browser: such a document is shown as the text it is."""


class DocumentView:
    """``{kind: "json", value}`` for a text that is a JSON object or list; any other text as text."""

    @property
    def script(self) -> str:
        """The page itself draws it."""
        return ""

    def shown(self, inputs: bytes, *, signature: Signature, usual: Sequence[Usual], address: str) -> Shown:
        """The document, or the text.

        >>> signature = Signature(input="text", labels=("no", "yes"))
        >>> DocumentView().shown(b'"[1, 2]"', signature=signature, usual=(), address="")
        {'kind': 'json', 'value': [1, 2]}
        >>> DocumentView().shown(b'"12"', signature=signature, usual=(), address="")
        {'kind': 'text', 'text': '12'}
        """
        row = row_of(inputs, signature)
        value = parsed(row) if isinstance(row, str) else None
        if value is None:
            return TextView().shown(inputs, signature=signature, usual=usual, address=address)
        return {"kind": "json", "value": value}


def parsed(text: str) -> dict[str, Any] | list[Any] | None:
    """The object or the list that a text is as JSON; None for every other text.

    >>> parsed('{"a": null}'), parsed("[1"), parsed("true")
    ({'a': None}, None, None)
    """
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict | list) and not _has_large(value) else None


def _has_large(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_large, value.values()))
    if isinstance(value, list):
        return any(map(_has_large, value))
    return isinstance(value, int) and abs(value) > LARGEST
