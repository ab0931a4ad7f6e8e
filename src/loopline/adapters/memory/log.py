"""The prediction log in memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock

import numpy as np

from loopline.errors import NotFound
from loopline.ports.prediction_log import Appended, PoolRows, ReserveRow, Scores
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.records.predictions import Predictions

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIVE = ("incumbent", "canary")


def is_usable(row: Prediction, *, role: str) -> bool:
    """Whether it is of this role and of a live arm, and held as the model saw it."""
    return row.role == role and row.arm in LIVE and not row.payload and not row.redacted


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
        kept = self._between(after, until, lambda p: is_usable(p, role="loop") and not p.failure)
        found = list(kept)
        rows = [row for _, row in found]
        classes = len(rows[0].probabilities) if rows else 0
        return PoolRows(
            position=np.array([position for position, _ in found], np.int64),
            id=np.array([row.id for row in rows], object),
            content=np.array([row.content for row in rows], object),
            inputs=np.array([row.inputs for row in rows], object),
            model=np.array([row.model for row in rows], object),
            label=np.array([row.label for row in rows], object),
            probabilities=np.array([row.probabilities for row in rows], np.float32).reshape(len(rows), classes),
            margin=np.array([row.margin for row in rows], np.float32),
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
