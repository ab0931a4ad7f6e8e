"""A sample as text."""

from collections.abc import Sequence

from loopline.adapters.views.reading import row_of, unshown
from loopline.ports.view import Shown, Usual
from loopline.records.signature import Signature


class TextView:
    """``{kind: "text", text}``: the text of a row; of a table row, its numbers with commas between."""

    @property
    def script(self) -> str:
        """The page itself draws it."""
        return ""

    def shown(self, inputs: bytes, *, signature: Signature, usual: Sequence[Usual], address: str) -> Shown:  # noqa: ARG002  the port's
        """The text.

        >>> signature = Signature(input="text", labels=("no", "yes"))
        >>> TextView().shown(b'"so good"', signature=signature, usual=(), address="")
        {'kind': 'text', 'text': 'so good'}
        """
        row = row_of(inputs, signature)
        if isinstance(row, str):
            return {"kind": "text", "text": row}
        if isinstance(row, tuple):
            return {"kind": "text", "text": ", ".join(f"{value:g}" for value in row)}
        return unshown(inputs, expected="a text")
