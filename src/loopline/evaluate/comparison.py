"""Do chosen labels teach more than random ones? Two small models on the same rows of the fresh reserve, pair by pair.

The interval is the BCa bootstrap's over reserve rows: what it says holds for these two models. Which labels happened to
be drawn is another chance; ``orchestrate.beating`` weighs it over several comparisons, none of which shares a label
with another. Only the fresh reserve is asked: the anchor shows the traffic of the past, and labels are bought for that
of today.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.evaluate.bootstrap import bca_bounds
from loopline.evaluate.gate import LEAST_DIFFERING, LEAST_ROWS
from loopline.evaluate.leakage import Sample, fresh_samples
from loopline.evaluate.metrics import METRICS, measure
from loopline.evaluate.scores import joined, truth_of
from loopline.records.comparison import CHANCE, Finding, StrategyComparison, Trial
from loopline.records.cycle import Cycle
from loopline.records.ids import Digest
from loopline.records.label import Label
from loopline.records.model import EngineName, ModelVersion
from loopline.records.settings import Settings
from loopline.records.signature import Row, Signature

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Predict = Callable[[Sequence[Row]], NDArray[np.float32]]
Load = Callable[[Digest, EngineName], Predict]
"""An artefact and its engine -> what it says of rows: (n, classes)."""

WORTH = 1.25
"""What a chosen label must be worth in random ones for choosing to pay: people and clusters cost something as well."""
ALPHA = 0.025
"""On either side of the interval."""
RESAMPLES = 4_000
SEEN_AT = 2.8
"""Standard errors of a difference that is found four times in five: 1.96 + 0.84."""
_CHUNK = 512


class Scores(NamedTuple):
    """What the models say of the same n rows: (n, classes), rows sum to 1; truth: (n,) class indices."""

    chosen: Floats
    random: Floats
    before: Floats | None
    """By what both models learned beside the labels, where there is such a version."""
    truth: Ints


class Evidence(NamedTuple):
    """The comparison in numbers; the fields are those of ``StrategyComparison``."""

    chosen: float
    random: float
    before: float | None
    difference: float
    low: float
    high: float
    excess: float
    excess_error: float
    error: float
    """Standard error of the difference."""
    differing: int
    """Rows on which the two models contribute differently to the metric."""


NOTHING = Evidence(0.0, 0.0, None, 0.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0)


def weigh(scores: Scores, *, metric: str, generator: np.random.Generator) -> Evidence:
    """The two models in numbers: the difference with its 95 % interval, and the excess with its standard error.

    >>> truth = np.array([0] * 90 + [1] * 10)
    >>> right, wrong = np.eye(2)[truth], np.eye(2)[1 - truth]
    >>> mixed = np.concatenate([right[:60], wrong[60:]])
    >>> seen = weigh(Scores(right, mixed, mixed, truth), metric="accuracy", generator=np.random.default_rng(1))
    >>> seen.difference, seen.excess, seen.differing, 0.3 < seen.low < seen.high < 0.6
    (0.4, 0.4, 40, True)
    """
    contributions, finish = METRICS[metric]
    parts = [scores.chosen, scores.random, scores.random if scores.before is None else scores.before]
    rows = [contributions(p, scores.truth) for p in parts]
    numbers = rows[0].shape[1]
    worth = 1.0 if scores.before is None else WORTH

    def contrast(weight: float) -> Callable[[Floats], Floats]:
        """Chosen - weight * random + (weight - 1) * before, of sums of all three side by side."""

        def statistic(sums: Floats) -> Floats:
            chosen, random, before = (finish(sums[..., k * numbers : (k + 1) * numbers]) for k in range(3))
            return chosen - weight * random + (weight - 1.0) * before

        return statistic

    together = np.concatenate(rows, axis=1)
    bounds, beyond = (
        bca_bounds(together, statistic=contrast(w), alpha=ALPHA, resamples=RESAMPLES, generator=generator)
        for w in (1.0, worth)
    )
    sums = together.sum(axis=0)
    reached = [measure(metric, p, scores.truth) for p in parts]
    return Evidence(
        chosen=reached[0],
        random=reached[1],
        before=None if scores.before is None else reached[2],
        difference=reached[0] - reached[1],
        low=bounds.lower,
        high=bounds.upper,
        excess=float(contrast(worth)(sums)),
        excess_error=beyond.standard_error,
        error=bounds.standard_error,
        differing=int((rows[0] != rows[1]).any(axis=1).sum()),
    )


def compare(  # noqa: PLR0913  the stage's recipe: takes what it needs by name
    cycle: Cycle,
    *,
    trial: Trial,
    strategy: str,
    before: ModelVersion | None,
    fresh: Sequence[Label],
    load: Load,
    settings: Settings,
    now: datetime,
) -> StrategyComparison:
    """Chosen against random labels in this cycle: measured, or the sentence that says why not.

    ``before``: the version trained on the rows that both small models share, if there is one; ``fresh``: labels of the
    reserve. Raises InvalidRecord for a label of another stratum, KeyError for an unknown metric.
    """
    for label in fresh:
        if label.stratum != "reserve":
            found = f"of stratum {label.stratum}"
            raise InvalidRecord(f"fresh label {label.sample}", found=found, expected="reserve: nothing else may judge")
    samples, metric = fresh_samples(fresh), settings.gate.metric
    seen, reason = NOTHING, _hindrance(trial, strategy=strategy, rows=len(samples))
    if not reason:
        try:
            scores = _scored(samples, trial=trial, before=before, load=load, signature=settings.signature)
            seen = weigh(scores, metric=metric, generator=np.random.default_rng(cycle.seed))
            reason = _too_alike(seen, rows=len(samples))
        except (InvalidRecord, NotFound, Conflict) as error:
            reason = str(error)
    finding: Finding = "not measured" if reason else _finding(seen)
    return StrategyComparison(
        id=f"cycle-{cycle.number}", loop=cycle.loop, cycle=cycle.number, at=now,
        asked=settings.select.strategy, strategy=strategy, metric=metric, trial=trial, reserve=len(samples),
        chosen=seen.chosen, random=seen.random, before=seen.before,
        difference=seen.difference, low=seen.low, high=seen.high,
        excess=seen.excess, excess_error=seen.excess_error,
        finding=finding, reason=reason or _sentence(seen, trial=trial, metric=metric, rows=len(samples)),
    )  # fmt: skip


def _hindrance(trial: Trial, *, strategy: str, rows: int) -> str:
    """What is missing before the models are even asked; empty when nothing is."""
    if trial.after < 0 and strategy in CHANCE:
        return f"{strategy} chooses at random itself"
    if not trial.arms:
        return trial.reason
    return f"{rows} labelled reserve rows, at least {LEAST_ROWS} are needed" if rows < LEAST_ROWS else ""


def _too_alike(seen: Evidence, *, rows: int) -> str:
    """A bootstrap knows only differences that it has seen; with more labels the models drift apart."""
    if seen.differing >= LEAST_DIFFERING:
        return ""
    return f"the two models differ on {seen.differing} of {rows:,} reserve rows, at least {LEAST_DIFFERING} are needed"


def _finding(seen: Evidence) -> Finding:
    return "better" if seen.low > 0 else "worse" if seen.high < 0 else "unclear"


def _scored(
    samples: Sequence[Sample], *, trial: Trial, before: ModelVersion | None, load: Load, signature: Signature
) -> Scores:
    rows = [signature.decode(sample.inputs) for sample in samples]

    def said(artifact: Digest, engine: EngineName, *, thing: str) -> Floats:
        predict = load(artifact, engine)
        chunks = [predict(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)]
        return joined(chunks, thing=thing, rows=len(rows), classes=len(signature.labels))

    chosen, random = (said(a.artifact, a.engine, thing=f"model with {a.kind} labels") for a in trial.arms)
    shared = said(before.artifact, before.engine, thing=f"model {before.name}") if before else None
    return Scores(chosen, random, shared, truth_of(samples, labels=signature.labels))


def _sentence(seen: Evidence, *, trial: Trial, metric: str, rows: int) -> str:
    """Which labels taught more, by how much, how sure that is, and what could have been seen at all."""
    size, unit = (1.0, "nats") if metric == "log_score" else (100.0, "points")
    told = {"better": "chosen labels beat random ones", "worse": "random labels beat chosen ones"}
    finding = told.get(_finding(seen), "chosen and random labels cannot be told apart")
    digits = 3 if metric == "log_score" else 1
    gap, low, high = (f"{size * value:+.{digits}f}" for value in (seen.difference, seen.low, seen.high))
    return (
        f"{finding}: {gap} {unit} of {metric} with {trial.labels:,} of each beside {trial.shared:,} shared rows "
        f"(95 % interval {low} to {high}, n = {rows:,} reserve rows; "
        f"a difference of {size * SEEN_AT * seen.error:.{digits}f} is found four times in five)"
    )
