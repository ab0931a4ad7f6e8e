"""The columns of the log as the stages see them."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from loopline.adapters.spool.batch import SCHEMA
from loopline.adapters.spool.segments import Rows
from loopline.ports.columns import PoolRows
from loopline.ports.prediction_log import ReserveRow, Scores

N = TypeVar("N", bound=np.generic)
LIVE = pa.array(["incumbent", "canary"])
SCORED = ("at_us", "id", "model", "arm", "label", "top", "margin", "entropy", "latency_us", "failure")
WHOLE = ("payload", "redacted")
LIGHT = ("role", "arm", "failure", "content", "model", *WHOLE)
"""What tells whether a row is of the pool, and of which sample."""
HEAVY = ("id", "inputs", "label", "segment", "at_us", "probabilities", "margin", "members", "embedding")
POOLED = (*LIGHT, *HEAVY)
SEALED = ("role", "arm", "id", "content", "inputs", *WHOLE)


def every(table: pa.Table) -> pa.Table:
    """All rows."""
    return table


def is_pool(table: pa.Table) -> pa.Table:
    """Answered rows of role ``loop`` and a live arm, held as the model saw them."""
    return table.filter(pc.and_(_is_usable(table, role="loop"), pc.equal(table["failure"], "")))


def is_held_back(table: pa.Table) -> pa.Table:
    """Every row of role ``reserve``: whatever became of it, its content is for no one to choose or learn from."""
    return table.filter(pc.equal(table["role"], "reserve"))


def is_reserve(table: pa.Table) -> pa.Table:
    """Rows of role ``reserve`` and a live arm, held as the model saw them."""
    return table.filter(_is_usable(table, role="reserve"))


def chosen(found: Iterable[Rows], *, keep: Callable[[pa.Table], pa.Table]) -> Iterator[Rows]:
    """The rows that ``keep`` leaves, with their positions."""
    for position, table in found:
        kept = keep(table.append_column("position", pa.array(position)))
        yield kept["position"].to_numpy(), kept.select(table.column_names)


def scores(found: Iterable[Rows]) -> Scores:
    """What the monitor sees."""
    position, table = _joined(found, SCORED)
    return Scores(
        position=position,
        at_us=_numbers(table["at_us"], np.int64),
        id=_objects(table["id"]),
        model=_objects(table["model"]),
        arm=_objects(table["arm"]),
        label=_objects(table["label"]),
        top=_numbers(table["top"], np.float32),
        margin=_numbers(table["margin"], np.float32),
        entropy=_numbers(table["entropy"], np.float32),
        latency_us=_numbers(table["latency_us"], np.int64),
        failed=np.asarray(pc.not_equal(table["failure"], "").to_numpy(), np.bool_),
    )


def pool(found: Iterable[Rows]) -> PoolRows:
    """What selection sees."""
    position, table = _joined(found, POOLED)
    flat = _numbers(pc.list_flatten(table["probabilities"]), np.float32)
    return PoolRows(
        position=position,
        id=_objects(table["id"]),
        content=_objects(table["content"]),
        inputs=_objects(table["inputs"]),
        model=_names(table["model"]),
        label=_names(table["label"]),
        segment=_names(table["segment"]),
        at_us=_numbers(table["at_us"], np.int64),
        probabilities=flat.reshape(len(position), len(flat) // max(len(position), 1)),
        margin=_numbers(table["margin"], np.float32),
        members=_arrays(table["members"]),
        embedding=_arrays(table["embedding"]),
    )


def reserve(found: Iterable[Rows]) -> tuple[ReserveRow, ...]:
    """What evaluation sees: the first row of each content."""
    first: dict[str, ReserveRow] = {}
    for position, table in found:
        columns = [table[name].to_pylist() for name in ("id", "content", "inputs")]
        for place, id_, content, inputs in zip(position.tolist(), *columns, strict=True):
            first.setdefault(content, ReserveRow(id=id_, content=content, inputs=inputs, position=place))
    return tuple(first.values())


def _is_usable(table: pa.Table, *, role: str) -> pa.ChunkedArray:
    is_live = pc.and_(pc.equal(table["role"], role), pc.is_in(table["arm"], value_set=LIVE))
    return pc.and_(is_live, pc.and_(pc.equal(table["payload"], ""), pc.invert(table["redacted"])))


def _joined(found: Iterable[Rows], columns: tuple[str, ...]) -> Rows:
    positions, tables = [np.empty(0, np.int64)], [SCHEMA.empty_table().select(columns)]
    for position, table in found:
        positions.append(position)
        tables.append(table)
    # Thousands of small chunks make every later step pay for each; joining them once is the cheapest way out.
    return np.concatenate(positions), pa.concat_tables(tables).combine_chunks()


def _objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    found = np.empty(len(column), dtype=object)
    found[:] = column.to_pylist()
    return found


def _names(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """The same as objects, one for each distinct text."""
    coded = column.combine_chunks().dictionary_encode()
    return np.asarray(_objects(coded.dictionary)[coded.indices.to_numpy()])


def _arrays(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """Each row's numbers."""
    values = _numbers(pc.list_flatten(column), np.float32)
    ends = np.cumsum(_numbers(pc.list_value_length(column), np.int64)).tolist()
    found = np.empty(len(column), dtype=object)
    found[:] = [values[start:end] for start, end in pairwise([0, *ends])]
    return found


def _numbers(column: pa.ChunkedArray, kind: type[N]) -> NDArray[N]:
    return np.asarray(column.to_numpy(), kind)
