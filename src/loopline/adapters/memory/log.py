"""The prediction log in memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from loopline.errors import NotFound
from loopline.ports.columns import PoolColumns, PoolRows, Reads, Sift, Sketch
from loopline.ports.prediction_log import Appended, ReserveRow, Scores
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.records.predictions import Predictions

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIVE = ("incumbent", "canary")
Placed = tuple[int, Prediction]
"""A row and its position."""


def is_usable(row: Prediction, *, role: str) -> bool:
    """Whether it is of this role and of a live arm, and held as the model saw it."""
    return row.role == role and row.arm in LIVE and not row.payload and not row.redacted


def is_pool(row: Prediction) -> bool:
    """Whether selection and datasets may see it."""
    return is_usable(row, role="loop") and not row.failure


class MemoryLog:
    """Keeps the promises of PredictionLog, ScoreLog, Pool and ReserveLog for as long as the object lives."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: list[Prediction] = []
        self._index: dict[PredictionId, int] = {}

    def append(self, predictions: Sequence[Prediction] | Predictions) -> Appended:
        """Store those not yet held."""
        with self._lock:
            before = len(self._rows)
            for prediction in predictions:
                if prediction.id not in self._index:
                    self._index[prediction.id] = len(self._rows)
                    self._rows.append(prediction)
            stored = len(self._rows) - before
        return Appended(stored=stored, repeated=len(predictions) - stored)

    def find(self, prediction: PredictionId) -> Prediction:
        """The prediction with this id. Raises NotFound."""
        if prediction not in self._index:
            raise NotFound("prediction", prediction)
        return self._rows[self._index[prediction]]

    def end(self) -> int:
        """The position of the last row; 0 when empty."""
        return len(self._rows)

    def tally(self) -> dict[str, int]:
        """Rows held, by arm."""
        return dict(Counter(row.arm for row in tuple(self._rows)))

    def scores(self, *, after: int, until: int) -> Scores:
        """Rows with position in (after, until], in order."""
        found = list(self._between(after, until, lambda _: True))
        rows = [row for _, row in found]
        return Scores(
            position=np.array([position for position, _ in found], np.int64),
            at_us=np.array([(row.at - EPOCH) // timedelta(microseconds=1) for row in rows], np.int64),
            id=np.array([row.id for row in rows], object),
            model=np.array([row.model for row in rows], object),
            arm=np.array([row.arm for row in rows], object),
            label=np.array([row.label for row in rows], object),
            top=np.array([max(row.probabilities, default=0.0) for row in rows], np.float32),
            margin=np.array([row.margin for row in rows], np.float32),
            entropy=np.array([row.entropy for row in rows], np.float32),
            latency_us=np.array([row.latency_us for row in rows], np.int64),
            failed=np.array([bool(row.failure) for row in rows], np.bool_),
        )

    def rows(self, *, after: int, until: int) -> PoolRows:
        """Answered rows of role ``loop`` and a live arm with position in (after, until], in order."""
        return pool_rows(list(self._between(after, until, is_pool)))

    def at(self, positions: Sequence[int]) -> PoolRows:
        """Those of the pool at these positions, in order of position, each once."""
        held = sorted({position for position in positions if 0 < position <= len(self._rows)})
        return pool_rows([(at, row) for at in held if is_pool(row := self._rows[at - 1])])

    def survey(self, sift: Sift, *, after: int, until: int) -> Iterator[Sketch]:
        """One pass over the pool's rows with position in (after, until]: a sketch for each shape of value."""
        shut = {row.content for _, row in self._between(after, until, lambda row: row.role == "reserve")}
        found = list(self._between(after, until, lambda row: is_pool(row) and row.content not in shut))
        for pairs, value in by_shape(found, reads=sift.reads):
            rows = [row for _, row in pairs]
            columns = PoolColumns(
                content=np.array([content_key(row.content) for row in rows], np.uint64),
                is_current=np.array([row.model == sift.model for row in rows], np.bool_),
                value=value,
            )
            sifted = sift.kernel(columns, sift.most)
            yield Sketch(
                content=sifted.content,
                copies=sifted.copies,
                position=np.array([pairs[at][0] for at in sifted.best.tolist()], np.int64),
                rows=pool_rows([pairs[at] for at in sifted.top.tolist()]),
                is_current=columns.is_current[sifted.top],
                urgency=sifted.urgency,
            )

    def sealed(self, *, after: int, until: int) -> tuple[ReserveRow, ...]:
        """Rows of role ``reserve`` and a live arm in (after, until]; the first of each content only."""
        first: dict[str, ReserveRow] = {}
        for position, row in self._between(after, until, lambda p: is_usable(p, role="reserve")):
            found = ReserveRow(id=row.id, content=row.content, inputs=row.inputs, position=position)
            first.setdefault(row.content, found)
        return tuple(first.values())

    def _between(
        self, after: int, until: int, is_wanted: Callable[[Prediction], bool]
    ) -> Iterator[tuple[int, Prediction]]:
        start = max(after, 0)
        for position, row in enumerate(self._rows[start : max(until, start)], start=start + 1):
            if is_wanted(row):
                yield position, row


def pool_rows(found: Sequence[Placed]) -> PoolRows:
    """The rows, in this order, as selection sees them."""
    rows = [row for _, row in found]
    classes = len(rows[0].probabilities) if rows else 0
    return PoolRows(
        position=np.array([position for position, _ in found], np.int64),
        id=np.array([row.id for row in rows], object),
        content=np.array([row.content for row in rows], object),
        inputs=np.array([row.inputs for row in rows], object),
        model=np.array([row.model for row in rows], object),
        label=np.array([row.label for row in rows], object),
        segment=np.array([row.segment for row in rows], object),
        at_us=np.array([(row.at - EPOCH) // timedelta(microseconds=1) for row in rows], np.int64),
        probabilities=np.array([row.probabilities for row in rows], np.float32).reshape(len(rows), classes),
        margin=np.array([row.margin for row in rows], np.float32),
        members=_arrays([row.members for row in rows]),
        embedding=_arrays([row.embedding for row in rows]),
    )


def by_shape(found: Sequence[Placed], *, reads: Reads) -> Iterator[tuple[Sequence[Placed], NDArray[np.float32]]]:
    """The rows that have values of one shape, with their values; those without members among the most, as NaN."""
    if not found or reads != "members":
        if found:
            yield found, np.array([_value(row, reads) for _, row in found], np.float32)
        return
    shapes = [_shape(row) for _, row in found]
    counts = Counter(shape for shape in shapes if shape)
    usual = max(sorted(counts), key=counts.__getitem__, default=(1, max(1, len(found[0][1].probabilities))))
    for shape in sorted({usual, *counts}):
        pairs = [pair for pair, own in zip(found, shapes, strict=True) if (own or usual) == shape]
        value = np.full((len(pairs), *shape), np.nan, np.float32)
        for at, (_, row) in enumerate(pairs):
            if _shape(row):
                value[at] = np.frombuffer(row.members, "<f4").reshape(shape)
        yield pairs, value


def _shape(row: Prediction) -> tuple[int, int] | None:
    """Members and classes; None where no whole members are kept."""
    numbers, classes = len(row.members) // 4, len(row.probabilities)
    return (numbers // classes, classes) if numbers and classes and numbers % classes == 0 else None


def _value(row: Prediction, reads: Reads) -> float:
    values = {"margin": row.margin, "entropy": row.entropy, "top": max(row.probabilities, default=0.0)}
    return values.get(reads, 0.0)


def _arrays(packed: Sequence[bytes]) -> NDArray[np.object_]:
    found = np.empty(len(packed), object)
    for at, numbers in enumerate(packed):
        found[at] = np.frombuffer(numbers, "<f4").astype(np.float32)
    return found


def content_key(content: str) -> int:
    """The first 8 bytes of a hex digest as a number; of a text that is none, those of its BLAKE3.

    >>> content_key("00000000000000ff" + "0" * 48)
    255
    """
    is_digest = len(content) == 64 and set(content[:16]) <= set("0123456789abcdef")
    return int(content[:16] if is_digest else blake3(content.encode()).hexdigest()[:16], 16)
