"""Accuracy with its interval, on samples that were never sent."""

from collections.abc import Sequence
from typing import NamedTuple

from loopline.apps.demo.world import Sample
from loopline.apps.web.chart import wilson
from loopline.ports.engine import Engine
from loopline.ports.object_store import ObjectStore
from loopline.records.model import ModelVersion


class Accuracy(NamedTuple):
    """A share of right answers, with the 95 % interval of Wilson."""

    value: float
    low: float
    high: float
    n: int


def accuracy_of(right: int, n: int) -> Accuracy:
    """The share ``right / n`` in [0, 1] with its interval; without samples 0, known to be anything.

    >>> [round(part, 3) for part in accuracy_of(8, 10)[:3]]
    [0.8, 0.49, 0.943]
    """
    share = right / n if n else 0.0
    return Accuracy(share, *wilson(share, n), n)


def measure(
    model: ModelVersion, samples: Sequence[Sample], *, objects: ObjectStore, engine: Engine, rows_at_once: int = 256
) -> Accuracy:
    """How often the stored model gives the samples' labels."""
    predictor = engine.load(objects.get(model.artifact), engine=model.engine, signature=model.signature)
    right = 0
    for start in range(0, len(samples), rows_at_once):
        part = samples[start : start + rows_at_once]
        best = predictor.predict([sample.row for sample in part]).argmax(axis=1)
        right += sum(model.signature.labels[int(column)] == s.label for column, s in zip(best, part, strict=True))
    return accuracy_of(right, len(samples))
