"""The dataset as a trainer sees it."""

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loopline.errors import InvalidRecord, Unavailable
from loopline.records.signature import Row, Signature

_COLUMNS = ("inputs", "label", "weight", "sample", "cycle", "stratum")


class Dataset:
    """Labelled rows, in the order of the dataset file; every array shares that order."""

    def __init__(self, table: pa.Table, *, signature: Signature) -> None:
        self._table, self._signature = table, signature

    @property
    def classes(self) -> tuple[str, ...]:
        """All labels of the loop, in the order of the probability columns, whether they occur or not."""
        return self._signature.labels

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The inputs, decoded from the very bytes the model saw."""
        return tuple(self._signature.decode(inputs) for inputs in self._table.column("inputs").to_pylist())

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """How much each row counts, shape (n,)."""
        return np.asarray(self._table.column("weight").to_numpy(), dtype=np.float64)

    @cached_property
    def stratum(self) -> NDArray[np.str_]:
        """Where each row came from: the base set, or ``chosen`` and ``audit`` for what the loop labelled."""
        return np.array(self._table.column("stratum").to_pylist(), dtype=np.str_)

    @cached_property
    def cycle(self) -> NDArray[np.int64]:
        """The cycle that labelled each row; 0 for the base set."""
        return np.asarray(self._table.column("cycle").to_numpy(), dtype=np.int64)

    def to_numpy(self) -> tuple[NDArray[Any], NDArray[np.str_]]:
        """(X, y): X is an object array of texts, shape (n,), or float64 of shape (n, width); y holds the labels.

        Of images X is what the loop's preprocessing makes of them, as the model will get them: float32, (n, *shape).
        """
        y = np.array(self._table.column("label").to_pylist(), dtype=np.str_)
        if self._signature.input == "image":
            from loopline.adapters.pillow.preprocessing import parsed

            return parsed(self._signature.preprocessing).read(self._table.column("inputs").to_pylist()), y
        if self._signature.input == "tabular":
            return np.array(self.rows, dtype=np.float64).reshape(len(self), self._signature.width), y
        x = np.empty(len(self), dtype=object)
        x[:] = self.rows
        return x, y

    def to_arrow(self) -> pa.Table:
        """A table with ``text``, ``image`` or ``x0``, ``x1``, ...; then label, weight, sample, cycle and stratum."""
        if self._signature.input == "text":
            inputs = {"text": pa.array(list(self.rows), pa.string())}
        elif self._signature.input == "image":
            inputs = {"image": self._table.column("inputs")}
        else:
            columns = self.to_numpy()[0].T
            inputs = {f"x{place}": pa.array(column, pa.float64()) for place, column in enumerate(columns)}
        return pa.table(inputs | {name: self._table.column(name) for name in _COLUMNS[1:]})

    def to_pandas(self) -> Any:
        """The same as a pandas DataFrame. Raises Unavailable when pandas is not installed."""
        if find_spec("pandas") is None:
            raise Unavailable("dataset.to_pandas()", reason="pandas is not installed", remedy="install it")
        return self.to_arrow().to_pandas()

    def __len__(self) -> int:
        return int(self._table.num_rows)


def read_dataset(path: Path, *, signature: Signature) -> Dataset:
    """The dataset in this Parquet file. Raises InvalidRecord when it is none, or is empty."""
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read(columns=list(_COLUMNS))
    except (pa.ArrowException, OSError) as error:
        raise InvalidRecord(f"dataset file {path}", found=str(error), expected="Parquet") from error
    missing = sorted(set(_COLUMNS) - set(table.column_names))
    if missing:
        raise InvalidRecord(f"dataset file {path}", found=f"no column {', '.join(missing)}", expected="all of them")
    if table.num_rows == 0:
        raise InvalidRecord(f"dataset file {path}", found="no rows", expected="something to learn from")
    return Dataset(table, signature=signature)
