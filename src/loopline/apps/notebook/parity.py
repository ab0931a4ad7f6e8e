"""Whether the rows of a version still give what was logged: the answers of the model, and the features it saw.

Replay: the model version that answered a row answers it again, from the bytes that the dataset holds. Recompute: the
features of those bytes against the features of what the log, or the object store, captured; of images, after the
loop's own preprocessing.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loopline.apps.notebook.features import FeatureParity, compared
from loopline.apps.notebook.library import Library, Shelves
from loopline.apps.worker.conversion import spread
from loopline.dataset.parity import require_parity
from loopline.dataset.table import IMPORTED
from loopline.errors import NotFound
from loopline.ports.engine import Engine
from loopline.ports.prediction_log import PredictionLog
from loopline.records.dataset import DatasetVersion
from loopline.records.ids import Digest, PredictionId
from loopline.records.model import ModelVersion
from loopline.records.prediction import Prediction
from loopline.records.signature import Row, Signature
from loopline.records.soundness import TOLERANCE

MOST_ROWS = 1_000
"""Of a version, spread over all that the loop labelled."""


class Logged(Shelves, Protocol):
    """The rooms that parity looks into."""

    @property
    def log(self) -> PredictionLog:
        """Every prediction."""
        ...

    @property
    def engine(self) -> Engine:
        """Loads models."""
        ...


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """A report by feature."""

    rows: int
    """Rows that were looked at: of those that the loop labelled, at most 1,000."""
    gone: int
    """Rows whose prediction the log no longer holds: nothing to compare with."""
    elsewhere: int
    """Rows whose captured bytes were redacted, or are no longer kept: only replayed."""
    replay: dict[str, tuple[FeatureParity, ...]]
    """Model version -> a line for each class: the probability now against the one that was logged."""
    recompute: tuple[FeatureParity, ...]
    """A line for each feature."""
    tolerance: float = TOLERANCE

    @property
    def is_kept(self) -> bool:
        """Whether nothing differs by more than the tolerance."""
        return not any(line.differing for lines in (*self.replay.values(), self.recompute) for line in lines)


class Pair(NamedTuple):
    """A row of the dataset, and the prediction that it came from."""

    inputs: bytes
    prediction: Prediction


def parity(house: Logged, version: DatasetVersion) -> Parity:
    """The report for a version. Raises InvalidRecord, naming each field, when a model was made under another signature.

    Raises NotFound for a model version that is not on record, and what the engine raises for one that does not load.
    """
    library = Library(house)
    signature = library.manifest(version).signature
    table = library.rows(version, "content", "inputs", "sample", "stratum")
    asked = table.filter(pa.array([stratum != IMPORTED for stratum in table["stratum"].to_pylist()], pa.bool_()))
    places = spread(range(asked.num_rows), most=MOST_ROWS) if asked.num_rows else []
    chosen = asked.filter(pa.array(np.isin(np.arange(asked.num_rows), places))).to_pylist()
    pairs = [pair for row in chosen if (pair := _pair(house, row))]
    captured = [(pair, held) for pair in pairs if (held := _captured(house, pair.prediction)) is not None]
    return Parity(
        rows=len(chosen),
        gone=len(chosen) - len(pairs),
        elsewhere=len(pairs) - len(captured),
        replay=_replayed(house, pairs, signature=signature),
        recompute=_recomputed(
            [pair.inputs for pair, _ in captured], [held for _, held in captured], signature=signature
        ),
    )


def _pair(house: Logged, row: dict[str, object]) -> Pair | None:
    """The row with its prediction; None when the log holds none, or none that the loop may look at."""
    try:
        found = house.log.find(PredictionId(str(row["sample"])))
    except NotFound:
        return None
    inputs = row["inputs"]
    is_usable = found.role == "loop" and not found.failure
    return Pair(inputs, found) if is_usable and isinstance(inputs, bytes) else None


def _captured(house: Logged, prediction: Prediction) -> bytes | None:
    """The bytes that the model saw, as they were captured; None when they are not kept."""
    if prediction.redacted:
        return None
    if not prediction.payload:
        return prediction.inputs
    try:
        return house.objects.get(Digest(prediction.payload))
    except NotFound:
        return None


def _replayed(house: Logged, pairs: Sequence[Pair], *, signature: Signature) -> dict[str, tuple[FeatureParity, ...]]:
    reports: dict[str, tuple[FeatureParity, ...]] = {}
    for name in sorted({pair.prediction.model for pair in pairs}):
        model = house.ledger.get(ModelVersion, name, loop=house.settings.name)
        require_parity(f"model {name}", found=model.signature, expected=signature)
        predictor = house.engine.load(house.objects.get(model.artifact), engine=model.engine, signature=signature)
        own = [pair for pair in pairs if pair.prediction.model == name]
        rows = _asked([signature.decode(pair.inputs) for pair in own])
        found = np.asarray(predictor.predict(rows), np.float64)
        expected = np.array([pair.prediction.probabilities for pair in own], np.float64)
        reports[name] = compared(signature.labels, found, expected)
    return reports


def _asked(rows: list[Row]) -> list[Row] | NDArray[np.float64]:
    """The rows as a request asks them: a table is one array."""
    return np.array(rows, np.float64) if isinstance(rows[0], tuple) else rows


def _recomputed(
    found: Sequence[bytes], expected: Sequence[bytes], *, signature: Signature
) -> tuple[FeatureParity, ...]:
    if not found:
        return ()
    if signature.input == "text":
        apart = np.array([[float(one != other)] for one, other in zip(found, expected, strict=True)])
        return compared(["text"], apart, np.zeros_like(apart))
    here, there = _features(found, signature), _features(expected, signature)
    names = [f"x{place}" for place in range(here.shape[1])] if signature.input == "tabular" else ["image"]
    if signature.input == "image":  # the pixel that differs most speaks for the image
        here, there = np.abs(here - there).max(axis=1, keepdims=True), np.zeros((len(here), 1))
    return compared(names, here, there)


def _features(rows: Sequence[bytes], signature: Signature) -> NDArray[np.float64]:
    """Shape (n, features): the numbers of a table's rows, or of images as the model gets them."""
    if signature.input == "image":
        from loopline.adapters.pillow.preprocessing import parsed

        return parsed(signature.preprocessing).read(rows).reshape(len(rows), -1).astype(np.float64)
    return np.array([signature.decode(row) for row in rows], np.float64)
