"""What turned out to be true about a prediction, as the world reported it."""

from datetime import datetime

import msgspec

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
