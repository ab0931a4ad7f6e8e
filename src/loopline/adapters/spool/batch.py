"""One flushed batch of predictions as an Arrow record batch, and back."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from loopline.errors import InvalidRecord
from loopline.records.ids import Digest, LoopName, PredictionId, VersionName
from loopline.records.prediction import Prediction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

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
    ]
)
DERIVED = {"at_us", "top"}
PLAIN = tuple(name for name in SCHEMA.names if name not in DERIVED)


def record_batch(predictions: Sequence[Prediction]) -> pa.RecordBatch:
    """The predictions as columns. Raises InvalidRecord when a value has no place in its column."""
    columns: dict[str, list[object]] = {name: [getattr(row, name) for row in predictions] for name in PLAIN}
    columns["at_us"] = [(row.at - EPOCH) // MICROSECOND for row in predictions]
    columns["top"] = [max(row.probabilities, default=0.0) for row in predictions]
    try:
        return pa.record_batch([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)
    except (pa.ArrowException, UnicodeError, OverflowError) as error:
        found = f"a value that is not storable ({error})"
        raise InvalidRecord("prediction log", found=found, expected="UTF-8 text and 64-bit numbers") from error


def prediction(batch: pa.RecordBatch, row: int) -> Prediction:
    """The prediction in this row of the batch, equal to the one that was stored."""
    values = batch.slice(row, 1).to_pylist()[0]
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
    )
