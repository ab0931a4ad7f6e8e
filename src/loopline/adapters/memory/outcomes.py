"""The outcome book in memory."""

from collections.abc import Sequence
from threading import Lock

from loopline.ports.prediction_log import Appended
from loopline.records.ids import LoopName, PredictionId
from loopline.records.outcome import Outcome, check_same


class MemoryOutcomes:
    """Keeps outcomes in one dictionary a loop, in order of arrival."""

    def __init__(self) -> None:
        self._held: dict[LoopName, dict[str, Outcome]] = {}
        self._lock = Lock()

    def record(self, outcomes: Sequence[Outcome], *, loop: LoopName) -> Appended:
        """Store those not yet held. Raises Conflict, and stores nothing, for an id that is another's."""
        with self._lock:
            held = dict(self._held.get(loop, {}))
            before = len(held)
            for outcome in outcomes:
                check_same(outcome, held=held.setdefault(outcome.id, outcome))
            self._held[loop] = held
        stored = len(held) - before
        return Appended(stored, len(outcomes) - stored)

    def of(self, predictions: Sequence[PredictionId], *, loop: LoopName) -> tuple[Outcome, ...]:
        """The outcomes of these predictions, in order of arrival."""
        asked = set(predictions)
        return tuple(outcome for outcome in self._held.get(loop, {}).values() if outcome.prediction in asked)

    def after(self, position: int, *, loop: LoopName, most: int) -> tuple[tuple[int, Outcome], ...]:
        """At most so many outcomes after this position, in order of arrival."""
        arrived = list(enumerate(self._held.get(loop, {}).values(), start=1))
        return tuple(arrived[max(position, 0) :][: max(most, 0)])
