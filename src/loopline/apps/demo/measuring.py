"""Accuracy with its interval, on samples that were never sent."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from loopline.apps.demo.world import Sample
from loopline.ports.engine import Engine
from loopline.ports.object_store import ObjectStore
from loopline.records.model import ModelVersion

Z95 = 1.959963984540054


class Accuracy(NamedTuple):
    """A share of right answers, with the 95 % interval of Wilson."""

    value: float
    low: float
    high: float
    n: int


def wilson(right: int, n: int) -> Accuracy:
    """The share ``right / n`` in [0, 1] with its score interval, which keeps its level near 0 and 1.

    With p = right / n and z = 1.96: (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).
    Source: Wilson 1927, Journal of the American Statistical Association 22.

    >>> [round(part, 3) for part in wilson(8, 10)[:3]]
    [0.8, 0.49, 0.943]
    """
    if n == 0:
        return Accuracy(0.0, 0.0, 1.0, 0)
    p, weight = right / n, Z95**2 / n
    middle = (p + weight / 2) / (1 + weight)
    reach = Z95 * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n * n)) / (1 + weight)
    return Accuracy(p, max(0.0, middle - reach), min(1.0, middle + reach), n)


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
    return wilson(right, len(samples))
