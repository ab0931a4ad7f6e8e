"""Labelled sets as the loop would meet them: rows of a log, a model to be taught, rows that only measure."""

from typing import NamedTuple

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from loopline.ports.columns import PoolRows
from loopline.records.signature import Signature
from loopline.testing.pool_pieces import objects
from rig.features import demo_features
from rig.learners import Answers, Forest, Linear, Maker
from rig.texts import banking77, embedded, keel, rated

Indices = NDArray[np.int64]
VERSION = "v1"
"""The version that serves: all rows of a window are its answers."""


class Pool(NamedTuple):
    """One set. The first rows are the pool, the others measure."""

    name: str
    signature: Signature
    inputs: NDArray[np.object_]
    """(n,) bytes: canonical rows."""
    content: NDArray[np.object_]
    """(n,) hex digests of them."""
    vectors: NDArray[np.float32]
    """(n, d) the model's own embedding; (n, 0) where it gives none."""
    labels: Indices
    size: int
    """Rows of the pool."""
    learner: Maker
    start: int
    """Labels to begin with."""
    batch: int
    growth: float
    """A batch is ``batch`` labels, or this share of those there are, if that is more."""
    seeds_of_full: int
    """Over how many seeds of the model its score on all labels is averaged."""


def pool_of(name: str) -> Pool:
    """The set of this name. Raises Absent."""
    return {"banking77": _banking77, "letter": _letter, "satimage": _satimage, "sentences": _sentences}[name]()


def _banking77() -> Pool:
    texts, training = banking77()
    vectors, labels = embedded(texts.texts), texts.labels
    inputs = [msgspec.json.encode(text) for text in texts.texts]
    signature = Signature(input="text", labels=texts.names)
    return Pool(
        "banking77", signature, *_told(inputs), vectors, labels, training,
        lambda _: Linear(vectors, labels, strength=20.0), start=100, batch=100, growth=0.1, seeds_of_full=1,
    )  # fmt: skip


def _sentences() -> Pool:
    texts = rated("movieReviewSnippets")
    order = np.random.default_rng(0).permutation(len(texts.texts))
    shuffled, labels = [texts.texts[at] for at in order], texts.labels[order]
    features = demo_features(shuffled)
    inputs = [msgspec.json.encode(text) for text in shuffled]
    signature = Signature(input="text", labels=texts.names)
    return Pool(
        "sentences", signature, *_told(inputs), _nothing(len(labels)), labels, 8_000,
        lambda _: Linear(features, labels, strength=3.0, tolerance=3e-4),
        start=100, batch=100, growth=0.2, seeds_of_full=1,
    )  # fmt: skip


def _letter() -> Pool:
    return _table("letter", size=10_000, measuring=5_000, start=200, batch=100)


def _satimage() -> Pool:
    return _table("satimage", size=4_435, measuring=2_000, start=20, batch=10)


def _table(name: str, *, size: int, measuring: int, start: int, batch: int) -> Pool:
    table = keel(name)
    order = np.random.default_rng(0).permutation(len(table.rows))[: size + measuring]
    rows, labels = table.rows[order], table.labels[order]
    inputs = [msgspec.json.encode(row) for row in rows.tolist()]
    signature = Signature(input="tabular", width=rows.shape[1], labels=table.names)
    return Pool(
        name, signature, *_told(inputs), _nothing(len(rows)), labels, size,
        lambda seed: Forest(rows, labels, seed=seed), start=start, batch=batch, growth=0.1, seeds_of_full=3,
    )  # fmt: skip


def _told(inputs: list[bytes]) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
    return objects(inputs), objects([blake3(row).hexdigest() for row in inputs])


def _nothing(count: int) -> NDArray[np.float32]:
    return np.zeros((count, 0), np.float32)


def logged(pool: Pool, answers: Answers) -> PoolRows:
    """The rows of the pool as the log holds them once the model has answered them."""
    p, n = answers.probabilities[: pool.size], pool.size
    top = np.partition(p, -2, axis=1)[:, -2:]
    names = np.array(pool.signature.labels, object)
    return PoolRows(
        position=np.arange(1, n + 1),
        id=objects([f"p{place:06d}" for place in range(n)]),
        content=pool.content[:n],
        inputs=pool.inputs[:n],
        model=objects([VERSION] * n),
        label=names[p.argmax(axis=1)],
        segment=objects([""] * n),
        at_us=np.arange(n),
        probabilities=p,
        margin=top[:, 1] - top[:, 0],
        members=objects(list(answers.members[:n].reshape(n, -1))),
        embedding=objects(list(pool.vectors[:n])),
    )
