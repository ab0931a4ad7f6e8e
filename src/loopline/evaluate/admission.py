"""What may come before the gate at all: equal contracts, a known metric, and labels of sealed rows only."""

from collections.abc import Sequence

from loopline.errors import InvalidRecord, NotFound
from loopline.evaluate.metrics import METRICS
from loopline.records.label import Label
from loopline.records.model import ModelVersion


def admit(challenger: ModelVersion, *, incumbent: ModelVersion, fresh: Sequence[Label], metric: str) -> None:
    """Nothing, when the comparison may be made; otherwise raises, naming what stands in the way."""
    if challenger.signature.digest != incumbent.signature.digest:
        expected = f"{incumbent.signature.spoken} like {incumbent.name}"
        raise InvalidRecord(f"challenger {challenger.name}", found=challenger.signature.spoken, expected=expected)
    if metric not in METRICS:
        raise NotFound("gate metric", metric, known=tuple(sorted(METRICS)))
    for label in fresh:
        if label.stratum != "reserve":
            found = f"of stratum {label.stratum}"
            raise InvalidRecord(f"fresh label {label.sample}", found=found, expected="reserve: nothing else may judge")
