"""Rows of a prediction log: as records, one by one, and as columns, by the hundred thousand. Three classes of text."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loopline.adapters.spool.batch import SCHEMA
from loopline.records.ids import Digest, LoopName, PredictionId, VersionName, uuid7
from loopline.records.prediction import Prediction
from loopline.records.signature import Signature

LOOP = LoopName("bench")
LABELS = ("negative", "neutral", "positive")
SIGNATURE = Signature(input="text", labels=LABELS)
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
WORDS = np.array(
    ["a", "this", "film", "plot", "actor", "music", "scene", "was", "good", "bad", "slow", "bright", "dull"]
)
DIMENSIONS = 64
EMBEDDED = 5
"""Every fifth row has an embedding."""
RESERVE = 20
"""Every twentieth row is of the reserve."""
MODELS = ("v1", "v2", "v3")


def distributions(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Probabilities, (count, 3), rows sum to 1."""
    return np.asarray(rng.dirichlet((0.6, 0.6, 0.6), size=count))


def sentences(rng: np.random.Generator, count: int) -> list[str]:
    """Texts of about 80 characters."""
    return [" ".join(row) for row in rng.choice(WORDS, size=(count, 16)).tolist()]


def predictions(count: int, *, first: int = 1, seed: int = 0) -> list[Prediction]:
    """Records with these places; every fifth has an embedding."""
    rng = np.random.default_rng((seed, first))
    p, texts = distributions(rng, count), sentences(rng, count)
    vectors = rng.standard_normal((count, DIMENSIONS)).astype("<f4")
    randomness, digests = rng.bytes(10 * count), rng.bytes(32 * count).hex()
    order = np.sort(p, axis=1)
    made = []
    for row in range(count):
        place = first + row
        at = BEGAN + timedelta(milliseconds=place)
        three = tuple(p[row].tolist())
        made.append(
            Prediction(
                id=PredictionId(uuid7(now_ms=int(at.timestamp() * 1_000), randomness=randomness[10 * row :][:10])),
                loop=LOOP,
                at=at,
                model=VersionName("v1"),
                artifact=Digest("a" * 64),
                signature=SIGNATURE.digest,
                arm="incumbent",
                inputs=SIGNATURE.encode(texts[row]),
                content=Digest(digests[64 * row : 64 * row + 64]),
                group=digests[64 * row : 64 * row + 32],
                role="loop" if place % RESERVE else "reserve",
                probabilities=three,
                label=LABELS[int(p[row].argmax())],
                margin=float(order[row, 2] - order[row, 1]),
                entropy=-sum(x * math.log(x) for x in three if x > 0),
                latency_us=180,
                embedding=vectors[row].tobytes() if place % EMBEDDED == 0 else b"",
            )
        )
    return made


def tables(count: int, *, size: int, step_us: int) -> Iterator[pa.Table]:
    """Columns of the log, so many rows a table, a row each ``step_us``; ids are UUIDv7, in order of time."""
    start = int(BEGAN.timestamp() * 1e6)
    for first in range(0, count, size):
        model = MODELS[first * len(MODELS) // count]
        yield _table(np.arange(first, min(first + size, count)), start=start, step_us=step_us, model=model)


def _table(places: NDArray[np.int64], *, start: int, step_us: int, model: str) -> pa.Table:
    rng, count = np.random.default_rng(int(places[0])), len(places)
    at_us, p = start + places * step_us, distributions(rng, count)
    order = np.sort(p, axis=1)
    digests, randomness = rng.bytes(32 * count).hex(), rng.bytes(8 * count).hex()
    ids = [_uuid(int(at) // 1_000, randomness[16 * row : 16 * row + 16]) for row, at in enumerate(at_us.tolist())]
    inputs = [f'"{text}"'.encode() for text in sentences(rng, count)]
    columns = {
        "id": ids,
        "loop": _same(LOOP, count),
        "at_us": at_us,
        "model": _same(model, count),
        "artifact": _same("a" * 64, count),
        "signature": _same(SIGNATURE.digest, count),
        "arm": np.where(places % 10 == 0, "canary", "incumbent"),
        "inputs": inputs,
        "content": [digests[64 * row : 64 * row + 64] for row in range(count)],
        "group": [digests[64 * row : 64 * row + 32] for row in range(count)],
        "role": np.where(places % RESERVE == 0, "reserve", "loop"),
        "probabilities": _lists(p, np.ones(count, bool), pa.float64()),
        "label": np.array(LABELS)[p.argmax(axis=1)],
        "margin": order[:, 2] - order[:, 1],
        "entropy": -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1),
        "latency_us": rng.integers(100, 2_000, count),
        "sampled": np.ones(count),
        "failure": _same("", count),
        "top": order[:, 2].astype(np.float32),
        "reason": _same("", count),
        "trace": _same("", count),
        "members": _lists(np.empty((count, 0), np.float32), np.zeros(count, bool), pa.float32()),
        "embedding": _lists(
            rng.standard_normal((count, DIMENSIONS)).astype(np.float32), places % EMBEDDED == 0, pa.float32()
        ),
        "payload": _same("", count),
        "redacted": np.zeros(count, bool),
        "segment": _same("", count),
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


def _uuid(ms: int, randomness: str) -> str:
    time = f"{ms:012x}"
    return f"{time[:8]}-{time[8:]}-7{randomness[:3]}-8{randomness[3:6]}-{randomness[4:16]}"


def _same(value: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)


def _lists(values: NDArray[np.generic], has_some: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """Lists of the rows' values; empty where there are none."""
    ends = np.concatenate([[0], np.cumsum(np.where(has_some, values.shape[1], 0))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values[has_some].ravel(), kind))
