"""A model's output -> predictions: one record a row, complete as the log keeps it."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.records.ids import PredictionId
from loopline.records.model import ModelVersion
from loopline.records.prediction import Arm, Prediction
from loopline.serve.informativeness import entropy, margin
from loopline.serve.sample import Sample

LONGEST_REASON = 500


class Circumstance(NamedTuple):
    """Who was asked, why, and how long it took."""

    version: ModelVersion
    arm: Arm
    at: datetime
    latency_us: int


class Said(NamedTuple):
    """What the model said about one sample; all empty and zero when it failed."""

    probabilities: tuple[float, ...] = ()
    label: str = ""
    margin: float = 0.0
    entropy: float = 0.0
    failure: str = ""


def answered(asked: Sequence[Sample], *, p: NDArray[np.float32], under: Circumstance) -> tuple[Prediction, ...]:
    """One prediction a sample; ``p``: (samples, classes), rows sum to 1. Of equally likely classes the first wins."""
    labels = under.version.signature.labels
    columns = (p.tolist(), p.argmax(axis=1).tolist(), margin(p).tolist(), entropy(p).tolist())
    said = [Said(tuple(row), labels[best], gap, nats) for row, best, gap, nats in zip(*columns, strict=True)]
    return tuple(_record(sample, said=one, under=under) for sample, one in zip(asked, said, strict=True))


def failed(asked: Sequence[Sample], *, reason: str, under: Circumstance) -> tuple[Prediction, ...]:
    """One record of failure a sample, under the version's own id: the plain one is for whoever does answer."""
    said = Said(failure=reason[:LONGEST_REASON])
    return tuple(_record(sample, said=said, under=under) for sample in asked)


def _record(sample: Sample, *, said: Said, under: Circumstance) -> Prediction:
    version = under.version
    is_own_copy = bool(said.failure) or under.arm == "shadow"
    return Prediction(
        id=PredictionId(f"{sample.id}~{version.name}") if is_own_copy else sample.id,
        loop=version.loop,
        at=under.at,
        model=version.name,
        artifact=version.artifact,
        signature=version.signature.digest,
        arm=under.arm,
        inputs=sample.inputs,
        content=sample.content,
        group=sample.group,
        role=sample.role,
        probabilities=said.probabilities,
        label=said.label,
        margin=said.margin,
        entropy=said.entropy,
        latency_us=under.latency_us,
        failure=said.failure,
    )
