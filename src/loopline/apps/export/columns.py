"""The columns of an export: what a row is called, what it holds, where it came from."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loopline.records.dataset import DatasetVersion
from loopline.records.signature import Signature

Payloads = Literal["copy", "reference"]
"""Whether the inputs stand in the files, or only their digests."""
BATCH_ROWS = 16_384
ORIGIN = ("label", "weight", "cycle", "stratum", "content")
"""After the id and the inputs: everything that Parquet and Hugging Face files hold of a row."""
FORMULA = r"^[=+\-@\t\r]"
"""What makes a spreadsheet run a cell of a CSV file."""


class Book(NamedTuple):
    """What is exported."""

    version: DatasetVersion
    signature: Signature
    table: pa.Table
    """All rows with all columns, as they are stored."""
    manifest: bytes
    payloads: Payloads

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns that hold the inputs: ``text``, ``image``, ``x0`` and so on; none by reference."""
        if self.payloads == "reference":
            return ()
        wide = tuple(f"x{place}" for place in range(self.signature.width))
        return wide if self.signature.input == "tabular" else (self.signature.input,)

    def batches(self) -> Iterator[pa.Table]:
        """The rows, some at a time, with ``id``, the inputs, and ``ORIGIN``."""
        for start in range(0, self.table.num_rows, BATCH_ROWS):
            yield self._told(self.table.slice(start, BATCH_ROWS))
        if not self.table.num_rows:
            yield self._told(self.table)

    def _told(self, rows: pa.Table) -> pa.Table:
        inputs = decoded(rows["inputs"], self.signature) if self.inputs else {}
        return pa.table({"id": rows["sample"], **inputs, **{name: rows[name] for name in ORIGIN}})

    def exchanged(self, batch: pa.Table) -> pa.Table:
        """What CSV and JSONL hold: exactly what ``[train] base`` reads; by reference, digests and origin instead."""
        return batch.select(["id", *self.inputs, "label"] if self.inputs else ["id", "content", *ORIGIN[:-1]])

    def formulas(self) -> int:
        """Texts and ids that a spreadsheet would run as a formula when it opens a CSV file."""
        found = 0
        for batch in self.batches():
            columns = [batch[name] for name in ("id", "text", "label") if name in batch.column_names]
            found += sum(pc.sum(pc.match_substring_regex(column, FORMULA)).as_py() or 0 for column in columns)
        return found


def decoded(inputs: pa.ChunkedArray, signature: Signature) -> dict[str, pa.Array]:
    """The inputs as columns. Raises InvalidRecord for bytes that do not fit the signature."""
    if signature.input == "image":
        return {"image": inputs}
    rows = [signature.decode(one) for one in inputs.to_pylist()]
    if signature.input == "text":
        return {"text": pa.array(rows, pa.string())}
    numbers = np.array(rows, np.float64).reshape(len(rows), signature.width)
    return {f"x{place}": pa.array(column, pa.float64()) for place, column in enumerate(numbers.T)}
