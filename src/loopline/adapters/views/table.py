"""A table row, each value against its usual range."""

from collections.abc import Sequence

from loopline.adapters.views.reading import row_of, unshown
from loopline.ports.view import Shown, Usual
from loopline.records.signature import Signature


class TableView:
    """``{kind: "table", rows: [{name, value, low, high, is_unusual}]}``: one row a feature, in the loop's order.

    Without usual ranges ``low`` and ``high`` are None, and nothing is unusual.
    """

    @property
    def script(self) -> str:
        """The page itself draws it."""
        return ""

    def shown(self, inputs: bytes, *, signature: Signature, usual: Sequence[Usual], address: str) -> Shown:  # noqa: ARG002  the port's
        """The features.

        >>> signature = Signature(input="tabular", width=1, labels=("no", "yes"))
        >>> TableView().shown(b"[7.5]", signature=signature, usual=[Usual("age", 1.0, 5.0)], address="")["rows"]
        [{'name': 'age', 'value': 7.5, 'low': 1.0, 'high': 5.0, 'is_unusual': True}]
        """
        row = row_of(inputs, signature)
        if not isinstance(row, tuple):
            return unshown(inputs, expected=f"a row of {signature.width} numbers")
        ranges = list(usual) if len(usual) == len(row) else [None] * len(row)
        return {"kind": "table", "rows": [_feature(at, row[at], ranges[at]) for at in range(len(row))]}


def _feature(number: int, value: float, usual: Usual | None) -> dict[str, object]:
    return {
        "name": usual.name if usual else named(number),
        "value": value,
        "low": usual.low if usual else None,
        "high": usual.high if usual else None,
        "is_unusual": usual is not None and not usual.low <= value <= usual.high,
    }


def named(number: int) -> str:
    """What a feature without a name is called, from 0.

    >>> named(3)
    'feature 3'
    """
    return f"feature {number}"
