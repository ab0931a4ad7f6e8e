"""The outcome book in memory."""

from collections.abc import Sequence
from threading import Lock

from loopline.errors import Conflict
from loopline.ports.prediction_log import Appended
from loopline.records.ids import LoopName, PredictionId
from loopline.records.outcome import Outcome


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
                first = held.setdefault(outcome.id, outcome)
                if (first.prediction, first.label, first.source) != (outcome.prediction, outcome.label, outcome.source):
                    found, expected = f"{outcome.label!r} of {outcome.prediction}", "what this id stands for"
                    remedy = f"it is {first.label!r} of {first.prediction}; give a new report an id of its own"
                    raise Conflict(f"outcome {outcome.id}", found=found, expected=expected, remedy=remedy)
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
