"""One answer of one model version, as the log keeps it."""

from datetime import datetime
from typing import Any, Literal

import msgspec

from loopline.errors import InvalidRecord
from loopline.records.ids import Digest, LoopName, PredictionId, VersionName

Arm = Literal["incumbent", "canary", "shadow", "direct"]
"""Why this version answered: it is the live one, it is on trial, it ran unseen, or it was asked for by name."""
Role = Literal["loop", "reserve"]
"""What the sample may be used for; fixed at ingest, before any score exists."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, what was answered, by whom, and what the sample may be used for."""

    id: PredictionId
    """Ours or the caller's; the shadow answer to ``p`` is ``p~v2``."""
    loop: LoopName
    at: datetime
    """UTC, when the answer was ready."""
    model: VersionName
    artifact: Digest
    """Content hash of the model that answered."""
    signature: Digest
    """Hash of the contract it was asked under."""
    arm: Arm
    inputs: bytes
    """The canonical bytes of the row, exactly as the model saw it."""
    content: Digest
    """BLAKE3 of ``inputs``: equal inputs share it."""
    group: str
    """Whole groups go to the reserve or none of a group; without a key: hash of a text's words, or of a table's row."""
    role: Role
    probabilities: tuple[float, ...]
    """One a class, in [0, 1], summing to 1; empty when the model failed."""
    label: str
    """The most likely class; empty when the model failed."""
    margin: float
    """Gap between the two most likely classes, in [0, 1]; 0 when the model failed."""
    entropy: float
    """Of the distribution, in nats; 0 when the model failed."""
    latency_us: int
    """Microseconds inside the model."""
    sampled: float = 1.0
    """Probability with which this prediction entered the log, in (0, 1]."""
    failure: str = ""
    """Why the model gave no answer; empty when it did."""
    reason: str = ""
    """Why this arm answered, in words; empty for the incumbent."""
    trace: str = ""
    """The trace id of the caller's W3C ``traceparent``: 32 hex digits; empty without one."""
    members: bytes = b""
    """float32 (members, classes), little-endian; empty when the model has no members or none were kept."""
    embedding: bytes = b""
    """float32 (dimensions,), little-endian; empty when the model has none."""
    payload: str = ""
    """Digest of the object that holds the row's bytes when they were too many for the log: ``inputs`` is empty then."""
    redacted: bool = False
    """Whether a rule changed ``inputs`` before it was stored: then it is not what the model saw."""
    segment: str = ""
    """The part of the traffic that the request named, such as a channel; empty without one."""

    def __post_init__(self) -> None:
        if not self.failure and not is_distribution(total := sum(self.probabilities)):
            raise no_distribution(self.id, total=total)


def is_distribution(total: Any) -> Any:
    """Whether probabilities with this total are one: a number, or an array of many; NaN is none."""
    return abs(total - 1.0) < 1e-3


def no_distribution(prediction: str, *, total: float) -> InvalidRecord:
    """What is wrong with such probabilities."""
    return InvalidRecord(f"prediction {prediction}", found=f"probabilities sum to {total:.4g}", expected="1")
