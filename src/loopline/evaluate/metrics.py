"""How good a model is on labelled rows: more is better for all that the gate compares.

Each gated metric is a function of sums over rows, which is what lets ``bootstrap`` resample all of it at once:
``contributions`` gives one line of numbers a row, ``finish`` turns their sums into the metric.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SMALLEST = 1e-15


def is_right(p: Floats, truth: Ints) -> NDArray[np.bool_]:
    """Whether the most likely class is the true one; the first of equals counts. p: (n, classes), truth: (n,)."""
    return np.asarray(p.argmax(axis=1) == truth)


class Metric(NamedTuple):
    """A metric as sums over rows."""

    contributions: Callable[[Floats, Ints], Floats]
    """(p, truth) -> (n, numbers)."""
    finish: Callable[[Floats], Floats]
    """Sums of contributions (..., numbers) -> the metric (...)."""


def _accuracy_rows(p: Floats, truth: Ints) -> Floats:
    return np.stack([is_right(p, truth), np.ones(len(truth))], axis=1).astype(np.float64)


def _log_score_rows(p: Floats, truth: Ints) -> Floats:
    return np.asarray(np.log(np.maximum(p[np.arange(len(truth)), truth], _SMALLEST)), dtype=np.float64)


def _log_score_sums(p: Floats, truth: Ints) -> Floats:
    return np.stack([_log_score_rows(p, truth), np.ones(len(truth))], axis=1)


def _ratio(sums: Floats) -> Floats:
    return np.asarray(sums[..., 0] / sums[..., 1], dtype=np.float64)


def _confusion_rows(p: Floats, truth: Ints) -> Floats:
    """For each class three counts: predicted and true, predicted, true. Shape (n, 3 * classes)."""
    classes = np.arange(p.shape[1])
    predicted = p.argmax(axis=1)[:, None] == classes
    true = truth[:, None] == classes
    return np.concatenate([predicted & true, predicted, true], axis=1).astype(np.float64)


def _mean_f1(sums: Floats) -> Floats:
    both, predicted, true = np.split(sums, 3, axis=-1)
    seen = predicted + true
    f1 = np.divide(2 * both, seen, out=np.zeros_like(seen), where=seen > 0)
    return np.asarray(f1.sum(axis=-1) / np.maximum((seen > 0).sum(axis=-1), 1), dtype=np.float64)


METRICS: dict[str, Metric] = {
    "accuracy": Metric(_accuracy_rows, _ratio),
    "log_score": Metric(_log_score_sums, _ratio),
    "macro_f1": Metric(_confusion_rows, _mean_f1),
}
"""What ``[gate] metric`` may name.

``accuracy``: the share of rows whose most likely class is the true one, in [0, 1]. ``log_score``: the mean of
ln p(true class) in nats, 0 at best, probabilities below 1e-15 count as 1e-15 (Good, JRSS B 14 (1952) 107).
``macro_f1``: the mean over classes of F1 = 2 TP / (2 TP + FP + FN), in [0, 1]; a class neither true nor predicted is
left out.
"""


def measure(name: str, p: Floats, truth: Ints) -> float:
    """The gated metric of this name. p: (n, classes), truth: (n,) class indices. Raises KeyError for an unknown one.

    >>> p, truth = np.array([[0.5, 0.5], [0.75, 0.25], [0.25, 0.75]]), np.array([0, 1, 1])
    >>> measure("accuracy", p, truth), measure("macro_f1", p, truth)  # F1 is 2/3 for both classes
    (0.6666666666666666, 0.6666666666666666)
    >>> round(measure("log_score", p[:1], truth[:1]), 4)  # -ln 2
    -0.6931
    """
    metric = METRICS[name]
    return float(metric.finish(metric.contributions(p, truth).sum(axis=0)))
