"""Outcomes that the world reported."""

from collections.abc import Sequence
from typing import Protocol

from loopline.ports.prediction_log import Appended
from loopline.records.ids import LoopName, PredictionId
from loopline.records.outcome import Outcome


class OutcomeBook(Protocol):
    """Keeps what was reported about predictions, whether or not the prediction is known yet."""

    def record(self, outcomes: Sequence[Outcome], *, loop: LoopName) -> Appended:
        """Store those not yet held. Durable when it returns. Idempotent by outcome id.

        Raises Conflict when an id stands for another prediction, label or source; nothing of the call is stored then.
        The time may differ: the first one stands.
        """
        ...

    def of(self, predictions: Sequence[PredictionId], *, loop: LoopName) -> tuple[Outcome, ...]:
        """Their outcomes, in order of arrival; of two about one prediction the later is the truth."""
        ...

    def after(self, position: int, *, loop: LoopName, most: int) -> tuple[tuple[int, Outcome], ...]:
        """At most so many outcomes that arrived after this position, in order, each with its own position (from 1)."""
        ...
