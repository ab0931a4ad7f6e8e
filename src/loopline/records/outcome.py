"""What turned out to be true about a prediction, as the world reported it."""

from datetime import datetime

import msgspec

from loopline.errors import Conflict
from loopline.records.ids import PredictionId


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One report about one prediction; it may come before the prediction does, and joins it by id."""

    id: str
    """The reporter's idempotency key; without one, the prediction's id."""
    prediction: PredictionId
    label: str
    """The class that turned out true; one of the loop's labels."""
    at: datetime
    """UTC, when it was observed."""
    source: str = ""
    """Who says so: ``chargebacks``, ``support``."""


def check_same(outcome: Outcome, *, held: Outcome) -> None:
    """Raise Conflict unless both, of one id, say the same; the time may differ: a retry can be given another."""
    if (held.prediction, held.label, held.source) != (outcome.prediction, outcome.label, outcome.source):
        found, expected = f"{outcome.label!r} of {outcome.prediction}", "what this id stands for"
        remedy = f"it is {held.label!r} of {held.prediction}; give a new report an id of its own"
        raise Conflict(f"outcome {outcome.id}", found=found, expected=expected, remedy=remedy)
