"""The dataset as a trainer and a notebook see it."""

from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3
from numpy.typing import NDArray

from loopline.dataset import manifest, parts
from loopline.dataset.parity import require_parity
from loopline.errors import InvalidRecord, Unavailable
from loopline.records.dataset import DatasetVersion
from loopline.records.ids import Digest
from loopline.records.model import RunSpec
from loopline.records.signature import Row, Signature

_COLUMNS = ("inputs", "label", "weight", "sample", "cycle", "stratum")


class Dataset:
    """Labelled rows, in the order of their contents' digests; every array shares that order."""

    def __init__(self, table: pa.Table, *, signature: Signature, version: DatasetVersion | None = None) -> None:
        self._table, self._signature = table, signature
        self.version = version
        """What it was cut from; None in a training run."""

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

    def to_numpy(self, *, weights: bool = False) -> tuple[NDArray[Any], ...]:
        """(X, y): X is an object array of texts, shape (n,), or float64 of shape (n, width); y holds the labels.

        Of images X is what the loop's preprocessing makes of them, as the model will get them: float32, (n, *shape).
        With ``weights``: (X, y, w), w float64 of shape (n,).
        """
        y = np.array(self._table.column("label").to_pylist(), dtype=np.str_)
        return (self._x(), y, self.weights) if weights else (self._x(), y)

    def _x(self) -> NDArray[Any]:
        if self._signature.input == "image":
            return self._pixels(self._table.column("inputs").to_pylist())
        if self._signature.input == "tabular":
            return np.array(self.rows, dtype=np.float64).reshape(len(self), self._signature.width)
        x = np.empty(len(self), dtype=object)
        x[:] = self.rows
        return x

    def _pixels(self, images: list[bytes]) -> NDArray[np.float32]:
        from loopline.adapters.pillow.preprocessing import parsed

        return parsed(self._signature.preprocessing).read(images)

    def to_arrow(self, *, weights: bool = True) -> pa.Table:
        """A table with ``text``, ``image`` or ``x0``, ``x1``, ...; then label, weight, sample, cycle and stratum."""
        if self._signature.input == "text":
            inputs = {"text": pa.array(list(self.rows), pa.string())}
        elif self._signature.input == "image":
            inputs = {"image": self._table.column("inputs")}
        else:
            inputs = {f"x{place}": pa.array(column, pa.float64()) for place, column in enumerate(self._x().T)}
        kept = (name for name in _COLUMNS[1:] if weights or name != "weight")
        return pa.table(inputs | {name: self._table.column(name) for name in kept})

    def to_pandas(self, *, weights: bool = True) -> Any:
        """The same as a pandas DataFrame. Raises Unavailable when pandas is not installed."""
        _require("pandas", method="to_pandas")
        return self.to_arrow(weights=weights).to_pandas()

    def to_polars(self, *, weights: bool = True) -> Any:
        """The same as a Polars DataFrame. Raises Unavailable when Polars is not installed."""
        _require("polars", method="to_polars")
        return import_module("polars").from_arrow(self.to_arrow(weights=weights))

    def to_torch(self, *, weights: bool = False) -> Any:
        """A ``torch.utils.data.Dataset`` of (x, y), with ``weights`` of (x, y, w). Raises Unavailable without torch.

        x is a text, or a float32 tensor of a row's features or an image's pixels as the model will get them, read when
        asked for; y the place of its label in ``classes``.
        """
        _require("torch", method="to_torch")
        from loopline.apps.notebook.torch import TorchRows

        place = {label: number for number, label in enumerate(self.classes)}
        y = [place[label] for label in self._table.column("label").to_pylist()]
        return TorchRows(self._at, y, self.weights.tolist() if weights else None)

    def _at(self, row: int) -> str | NDArray[np.float32]:
        """One row as a network takes it."""
        inputs = self._table.column("inputs")[row].as_py()
        if self._signature.input == "image":
            return np.asarray(self._pixels([inputs])[0], dtype=np.float32)
        found = self._signature.decode(inputs)
        return found if isinstance(found, str) else np.array(found, dtype=np.float32)

    def __len__(self) -> int:
        return int(self._table.num_rows)


def _require(library: str, *, method: str) -> None:
    if find_spec(library) is None:
        remedy = f"install it: pip install {library}"
        raise Unavailable(f"dataset.{method}()", reason=f"{library} is not installed", remedy=remedy)


class _Given:
    """The files that a run was given, each held against the digest that it is asked for by."""

    def __init__(self, paths: dict[Digest, Path]) -> None:
        self._paths = paths

    def get(self, digest: Digest) -> bytes:
        """The bytes with this digest. Raises InvalidRecord for other ones, or none."""
        path = self._paths.get(digest)
        try:
            content = path.read_bytes() if path else b""
        except OSError as error:
            raise InvalidRecord(f"dataset file {path}", found=str(error), expected="its bytes") from error
        if (found := blake3(content).hexdigest()) != digest:
            raise InvalidRecord(f"dataset file {path}", found=f"digest {found[:12]}", expected=digest[:12])
        return content


def dataset_of(spec: RunSpec) -> Dataset:
    """The dataset that a run learns from: the version that its spec names, proven to be that one, file by file.

    A spec without parts names one Parquet file. Raises InvalidRecord when a file is not what it must be, or no row is
    there to learn from.
    """
    path = Path(spec.dataset_file).absolute()
    if not spec.dataset_parts:
        return read_dataset(path, signature=spec.signature)
    made = manifest.decoded(_Given({spec.dataset: path}).get(spec.dataset))
    require_parity(f"dataset c{made.cycle}", found=made.signature, expected=spec.signature)
    paths = {part.file: Path(file).absolute() for part, file in zip(made.held.parts, spec.dataset_parts, strict=True)}
    table = parts.read(made.held, objects=_Given(paths))
    return _filled(table, signature=spec.signature, thing=f"dataset c{made.cycle}")


def read_dataset(path: Path, *, signature: Signature) -> Dataset:
    """The dataset in this Parquet file. Raises InvalidRecord when it is none, or is empty."""
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read(columns=list(_COLUMNS))
    except (pa.ArrowException, OSError) as error:
        raise InvalidRecord(f"dataset file {path}", found=str(error), expected="Parquet") from error
    missing = sorted(set(_COLUMNS) - set(table.column_names))
    if missing:
        raise InvalidRecord(f"dataset file {path}", found=f"no column {', '.join(missing)}", expected="all of them")
    return _filled(table, signature=signature, thing=f"dataset file {path}")


def _filled(table: pa.Table, *, signature: Signature, thing: str) -> Dataset:
    if table.num_rows == 0:
        raise InvalidRecord(thing, found="no rows", expected="something to learn from")
    return Dataset(table, signature=signature)
