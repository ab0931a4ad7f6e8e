"""Where predictions are kept, and the three views that stages may have of them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from loopline.ports.columns import PoolRows, Sift, Sketch
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.records.predictions import Predictions


class Appended(NamedTuple):
    """What became of a batch."""

    stored: int
    """New rows."""
    repeated: int
    """Rows whose id the log already held: nothing changed."""


class PredictionLog(Protocol):
    """Keeps every prediction it has acknowledged, in order of arrival."""

    def append(self, predictions: Sequence[Prediction] | Predictions) -> Appended:
        """Store those not yet held. Durable when it returns. Idempotent by id: a retried batch changes nothing.

        An id is held until retention deletes its row.
        """
        ...

    def find(self, prediction: PredictionId) -> Prediction:
        """The prediction with this id. Raises NotFound; Unavailable when the place where it lies is damaged."""
        ...

    def end(self) -> int:
        """The position of the last row; 0 when empty. Positions start at 1, grow, and never change their row.

        A position whose row is deleted or damaged is left out by every reader, and not used again.
        """
        ...

    def tally(self) -> dict[str, int]:
        """Rows stored since the log began, by arm; deleted ones stay counted."""
        ...


class Scores(NamedTuple):
    """What the monitor and the rollout see: scores of all arms and roles, no inputs. Each array has shape (n,)."""

    position: NDArray[np.int64]
    at_us: NDArray[np.int64]
    """Microseconds since 1970 UTC."""
    id: NDArray[np.object_]
    model: NDArray[np.object_]
    arm: NDArray[np.object_]
    label: NDArray[np.object_]
    top: NDArray[np.float32]
    """Probability of the most likely class, in [0, 1]."""
    margin: NDArray[np.float32]
    entropy: NDArray[np.float32]
    latency_us: NDArray[np.int64]
    failed: NDArray[np.bool_]


class ScoreLog(Protocol):
    """The log as the monitor and the rollout may read it."""

    def scores(self, *, after: int, until: int) -> Scores:
        """Rows with position in (after, until], in order."""
        ...


class Pool(Protocol):
    """The log as selection and datasets may read it: rows of role ``loop`` that a live arm answered.

    No method returns a reserve row. Only rows whose very bytes the log holds: a redacted row, or one whose bytes lie
    elsewhere, teaches nobody.
    """

    def rows(self, *, after: int, until: int) -> PoolRows:
        """Those with position in (after, until], in order."""
        ...

    def at(self, positions: Sequence[int]) -> PoolRows:
        """Those at these positions, in order of position, each once; a position that has none is left out."""
        ...

    def survey(self, sift: Sift, *, after: int, until: int) -> Iterator[Sketch]:
        """One pass over those with position in (after, until]: a sketch a piece, by position.

        Each row is in one piece. How the window is cut into pieces, and who works on them, is the log's own affair: the
        kernel and the merge of sketches give the same whatever it is. What a pass found in sealed pieces is kept, so
        that another pass of the same name over them reads nothing.
        """
        ...


class ReserveRow(NamedTuple):
    """One sealed sample."""

    id: PredictionId
    content: str
    inputs: bytes
    position: int


class ReserveLog(Protocol):
    """The sealed part of the log: read by evaluation, and by annotation to get it labelled."""

    def sealed(self, *, after: int, until: int) -> tuple[ReserveRow, ...]:
        """Rows of role ``reserve`` and arm incumbent or canary in (after, until]; the first of each content only.

        Only those whose very bytes the log holds, as in the pool.
        """
        ...
