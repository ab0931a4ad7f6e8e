"""One flushed batch of predictions as an Arrow record batch, and back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from loopline.errors import InvalidRecord
from loopline.records.ids import Digest, LoopName, PredictionId, VersionName
from loopline.records.prediction import Prediction
from loopline.records.predictions import EPOCH, LISTED, MICROSECOND, PACKED, Lists, Predictions

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("loop", pa.string()),
        ("at_us", pa.int64()),
        ("model", pa.string()),
        ("artifact", pa.string()),
        ("signature", pa.string()),
        ("arm", pa.string()),
        ("inputs", pa.binary()),
        ("content", pa.string()),
        ("group", pa.string()),
        ("role", pa.string()),
        ("probabilities", pa.list_(pa.float64())),
        ("label", pa.string()),
        ("margin", pa.float64()),
        ("entropy", pa.float64()),
        ("latency_us", pa.int64()),
        ("sampled", pa.float64()),
        ("failure", pa.string()),
        ("top", pa.float32()),  # of the probabilities; stored so that scores are read without them
        ("reason", pa.string()),
        ("trace", pa.string()),
        ("members", pa.list_(pa.float32())),  # row-major; a row has as many classes as probabilities
        ("embedding", pa.list_(pa.float32())),
        ("payload", pa.string()),
        ("redacted", pa.bool_()),
        ("segment", pa.string()),
    ]
)
"""Of every batch and every segment that is written. Columns are only ever added, at the end."""
KINDS = {field.name: field.type for field in SCHEMA}


def record_batch(predictions: Sequence[Prediction] | Predictions) -> pa.RecordBatch:
    """The predictions as columns. Raises InvalidRecord when a value has no place in its column."""
    try:
        values = Predictions.of(predictions).columns
        columns = {name: _plain(values[name], KINDS[name]) for name in SCHEMA.names if name not in {"top", *LISTED}}
        columns |= {name: _lists(values[name]) for name in LISTED}
        columns["top"] = _tops(values["probabilities"])
        return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)
    except (pa.ArrowException, UnicodeError, OverflowError, TypeError, ValueError) as error:
        found = f"a value that is not storable ({error})"
        raise InvalidRecord("prediction log", found=found, expected="UTF-8 text and 64-bit numbers") from error


def _plain(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """The values as they are; of a text that all rows share, its bytes are written once and copied."""
    if len(values) and isinstance(values[0], str) and values.count(values[0]) == len(values):
        return pa.repeat(pa.scalar(values[0], kind), len(values))
    return pa.array(values, kind)


def _lists(lists: Lists) -> pa.Array:
    offsets = np.zeros(len(lists.sizes) + 1, np.int64)
    np.cumsum(lists.sizes, out=offsets[1:])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError(f"{offsets[-1]} numbers in one column of one batch")
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(np.asarray(lists.values)))


def _tops(p: Lists) -> pa.Array:
    """The largest of each row's numbers; 0 without any."""
    tops, sizes = np.zeros(len(p.sizes), np.float32), np.asarray(p.sizes)
    starts = np.cumsum(sizes) - sizes
    if (filled := sizes > 0).any():
        tops[filled] = np.maximum.reduceat(np.asarray(p.values), starts[filled])
    return pa.array(tops)


def conformed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch in today's columns; those that it was written without are empty."""
    if batch.schema.equals(SCHEMA):
        return batch
    held = set(batch.schema.names)
    return pa.record_batch(
        [batch.column(field.name) if field.name in held else empty(field.type, batch.num_rows) for field in SCHEMA],
        schema=SCHEMA,
    )


def empty(kind: pa.DataType, rows: int) -> pa.Array:
    """So many rows of a column that they were written without."""
    nothing: object = [] if pa.types.is_list(kind) else False if pa.types.is_boolean(kind) else ""
    return pa.repeat(pa.scalar(nothing, kind), rows)


def prediction(batch: pa.RecordBatch, row: int) -> Prediction:
    """The prediction in this row of the batch, equal to the one that was stored."""
    found = batch.slice(row, 1)
    values = {name: found.column(name)[0].as_py() for name in SCHEMA.names if name not in PACKED}
    packed = {name: _bytes(found.column(name)[0].values) for name in PACKED}
    return Prediction(
        id=PredictionId(values["id"]),
        loop=LoopName(values["loop"]),
        at=EPOCH + values["at_us"] * MICROSECOND,
        model=VersionName(values["model"]),
        artifact=Digest(values["artifact"]),
        signature=Digest(values["signature"]),
        arm=values["arm"],
        inputs=values["inputs"],
        content=Digest(values["content"]),
        group=values["group"],
        role=values["role"],
        probabilities=tuple(values["probabilities"]),
        label=values["label"],
        margin=values["margin"],
        entropy=values["entropy"],
        latency_us=values["latency_us"],
        sampled=values["sampled"],
        failure=values["failure"],
        reason=values["reason"],
        trace=values["trace"],
        members=packed["members"],
        embedding=packed["embedding"],
        payload=values["payload"],
        redacted=values["redacted"],
        segment=values["segment"],
    )


def _bytes(values: pa.Array) -> bytes:
    return np.asarray(values.to_numpy(), "<f4").tobytes()
