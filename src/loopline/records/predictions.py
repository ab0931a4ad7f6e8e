"""Many predictions as columns: what costs a microsecond a row is done for all rows at once."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, pairwise
from operator import attrgetter
from typing import Any

import msgspec

from loopline.records.prediction import Prediction

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
FLOAT32_BYTES = 4
PACKED = ("members", "embedding")
"""float32 bytes in a record, numbers in a column, so that a query can compute with them."""
LISTED = ("probabilities", *PACKED)


class Lists(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One list of numbers a row. Arrays are NumPy's, or the standard library's."""

    sizes: Any
    """int64, shape (rows,)."""
    values: Any
    """Of all rows, one after the other: float64, or float32 of what is ``PACKED``."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> "Lists":
        """The rows' numbers."""
        return cls(sizes=array("q", map(len, rows)), values=array("d", chain.from_iterable(rows)))

    @classmethod
    def packed(cls, rows: Sequence[bytes], *, name: str) -> "Lists":
        """The float32 in these bytes. Raises ValueError, naming the column, where they are no whole number of them."""
        if odd := next((len(row) for row in rows if len(row) % FLOAT32_BYTES), 0):
            raise ValueError(f"{name} of {odd} bytes, which is no row of float32")
        values = array("f")
        values.frombytes(b"".join(rows))
        return cls(sizes=array("q", [len(row) // FLOAT32_BYTES for row in rows]), values=values)

    def split(self) -> list[Any]:
        """Each row's own numbers."""
        return [self.values[start:end] for start, end in pairwise(accumulate(self.sizes, initial=0))]


Columns = Mapping[str, Any]
"""By field of a prediction, ``at_us`` in place of ``at``: a sequence of one value a row, or ``Lists`` of ``LISTED``."""
PLAIN = tuple(name for name in Prediction.__struct_fields__ if name not in {"at", *LISTED})


class Predictions(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The same as a sequence of predictions, which are made when they are asked for."""

    columns: Columns

    @classmethod
    def of(cls, rows: "Sequence[Prediction] | Predictions") -> "Predictions":
        """These, in columns; what is in columns already stays as it is."""
        if isinstance(rows, Predictions):
            return rows
        columns: dict[str, Any] = {name: list(map(attrgetter(name), rows)) for name in PLAIN}
        columns["at_us"] = [(row.at - EPOCH) // MICROSECOND for row in rows]
        columns["probabilities"] = Lists.of([row.probabilities for row in rows])
        for name in PACKED:
            columns[name] = Lists.packed([getattr(row, name) for row in rows], name=name)
        return cls(columns=columns)

    def __len__(self) -> int:
        return len(self.columns["id"])

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.rows())

    def rows(self) -> tuple[Prediction, ...]:
        """Each by itself, in order."""
        columns = {name: self.columns[name] for name in PLAIN}
        columns["at"] = [EPOCH + at_us * MICROSECOND for at_us in self.columns["at_us"]]
        columns["probabilities"] = [tuple(p.tolist()) for p in self.columns["probabilities"].split()]
        for name in PACKED:
            columns[name] = [part.tobytes() for part in self.columns[name].split()]
        rows = zip(*columns.values(), strict=True)
        return tuple(Prediction(**dict(zip(columns, row, strict=True))) for row in rows)
