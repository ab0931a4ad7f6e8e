"""How far the loop's own labels mislead about a model's error rate, and what weighing them repairs.

The pool: 1,697 handwritten digits (scikit-learn's, inside the package) that a logistic regression, trained on 100
others, has answered. All labels are known, so the true error rate is. Each resample is one run of the product's
``draw`` on that pool, read four ways: naively, by its random share alone, by LURE, and, at equal labels, by a plain
random draw. Designs: half of the steps uniform and half by the model's uncertainty (the headline), the product's own
(``rank ** -4``, a tenth uniform), and what lies between. The last line is one JSON object.

    python benchmarks/bias.py [resamples]
"""

import json
import sys
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from loopline.monitor.accuracy import clopper_pearson
from loopline.monitor.lure import Weighed, estimate, lure
from loopline.select.draw import Design, draw, softrank

TRAINED_ON = 100
STEPS = 200
"""The budget: labels asked for, a few fewer when the audit and the choice draw the same."""
RESAMPLES = 1_000
TOGETHER = 5
"""Cycles read together, as ``loopline accuracy`` does."""
FACTOR = 5
"""Candidates per label on the product's shortlist."""
Numbers = NDArray[np.float64]


class Answered(NamedTuple):
    """The pool, most uncertain first; a sample's content key is its place."""

    losses: Numbers
    """(N,) 1 where the model was wrong."""
    doubts: Numbers
    """(N,) 1 - probability of the answer: the loss that the model itself expects."""


class Told(NamedTuple):
    """What one way of reading made of the resamples, one number each."""

    values: list[float]
    covers: list[bool]


def answered() -> Answered:
    """A real classifier's answers to rows that it was not trained on."""
    rows, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    taught, asked = order[:TRAINED_ON], order[TRAINED_ON:]
    model = LogisticRegression(max_iter=500).fit(rows[taught] / 16.0, labels[taught])
    p = model.predict_proba(rows[asked] / 16.0)
    best = np.sort(p, axis=1)
    by_margin = np.argsort(best[:, -1] - best[:, -2], kind="stable")
    losses = (model.classes_[p.argmax(axis=1)] != labels[asked]).astype(np.float64)
    return Answered(losses[by_margin], 1.0 - best[by_margin, -1])


def design_of(pool: Answered, *, weigh: float | str, explore: float, candidates: int) -> Design:
    """By ``rank ** -weigh``, or by the model's doubt; beyond the candidates all weigh alike."""
    tail = len(pool.losses) - candidates
    if isinstance(weigh, str):
        weights, beyond = pool.doubts + 1e-9, 0.0
    else:
        weights, beyond = softrank(candidates, tail=tail, sharpness=weigh)
    return Design(weights, np.zeros(candidates, np.int64), candidates, tail, beyond, STEPS, explore)


def resampled(pool: Answered, design: Design, *, resamples: int) -> dict[str, object]:
    """Bias, RMSE and coverage of each way of reading, over as many runs of the draw."""
    n, truth = len(pool.losses), float(pool.losses.mean())
    keys = np.arange(n, dtype=np.uint64)
    plainly = np.random.default_rng(1)
    readings = {name: Told([], []) for name in ("naive", "random", "audit", "lure", "difference", "together")}
    labels, effective, kept, refused = [], [], list[Weighed](), 0
    for seed in range(resamples):
        drawn = draw(design, candidates=keys[: len(design.weights)], pool=keys, seed=seed)
        at, m = drawn.content.astype(np.int64), len(drawn.content)
        losses = pool.losses[at]
        weighed = lure(losses, proposal=drawn.proposal, pool=n)
        rest = lure(losses - pool.doubts[at], proposal=drawn.proposal, pool=n).value
        kept = [*kept[1 - TOGETHER :], weighed]
        refused += estimate([weighed]) is None
        note(readings["naive"], share(losses), truth)
        note(readings["random"], share(plainly.permutation(pool.losses)[:m]), truth)
        note(readings["audit"], share(losses[drawn.is_audit]), truth)
        note(readings["lure"], interval([weighed]), truth)
        note(readings["together"], interval(kept), truth)
        readings["difference"].values.append(float(pool.doubts.mean()) + rest)
        labels.append(m)
        effective.append(weighed.effective)
    told: dict[str, object] = {f"{name}_{key}": v for name, one in readings.items() for key, v in judged(one, truth)}
    told |= {"labels": float(np.mean(labels)), "effective": float(np.mean(effective)), "refused": refused / resamples}
    ratios = {f"{name}_rmse_ratio": told[f"{name}_rmse"] / told["random_rmse"] for name in ("lure", "difference")}
    return told | ratios


def share(losses: Numbers) -> tuple[float, float, float]:
    """The mean of equal labels with its exact binomial interval; nan where there are none."""
    if not len(losses):
        return float("nan"), 0.0, 1.0
    return float(losses.mean()), *clopper_pearson(int(losses.sum()), len(losses))


def interval(parts: list[Weighed]) -> tuple[float, float, float]:
    """What LURE says; where it refuses, its value and no interval."""
    found = estimate(parts)
    if found is None:
        return parts[-1].value, float("nan"), float("nan")
    return found.value, found.low, found.high


def note(told: Told, said: tuple[float, float, float], truth: float) -> None:
    """Keep one reading; one without an interval counts for the error and not for the coverage."""
    value, low, high = said
    told.values.append(value)
    if not np.isnan(low):
        told.covers.append(low <= truth <= high)


def judged(told: Told, truth: float) -> list[tuple[str, float]]:
    """Bias and its standard error, RMSE, and where there are intervals their coverage."""
    errors = np.array([value for value in told.values if not np.isnan(value)]) - truth
    found = [
        ("bias", float(errors.mean())),
        ("bias_error", float(errors.std() / np.sqrt(len(errors)))),
        ("rmse", float(np.sqrt((errors**2).mean()))),
    ]
    return found + ([("coverage", float(np.mean(told.covers)))] if told.covers else [])


def main() -> None:
    """Print a line a design, and the JSON object."""
    resamples = int(sys.argv[1]) if len(sys.argv) > 1 else RESAMPLES
    began, pool = time.perf_counter(), answered()
    n = len(pool.losses)
    shortlist = min(FACTOR * STEPS, n)
    print(f"{n} samples, error rate {pool.losses.mean():.4f}, {STEPS} steps, {resamples} resamples a design")
    print("bias and RMSE in points; coverage of 95 % intervals, audit's by Clopper-Pearson; * five cycles together")
    designs: dict[str, tuple[float | str, float, int]] = {
        "half uniform, half by doubt": ("doubt", 0.5, n),
        "product: rank ** -4, explore 0.1": (4.0, 0.1, shortlist),
        "rank ** -4, explore 0.5": (4.0, 0.5, shortlist),
        "rank ** -1, explore 0.1": (1.0, 0.1, shortlist),
        "rank ** -1, explore 0.5": (1.0, 0.5, shortlist),
        "by doubt, explore 0.1": ("doubt", 0.1, n),
    }
    found = {}
    for name, (weigh, explore, candidates) in designs.items():
        design = design_of(pool, weigh=weigh, explore=explore, candidates=candidates)
        found[name] = resampled(pool, design, resamples=resamples)
        print(line(name, found[name]))
    headline = found["half uniform, half by doubt"]
    asked = (
        "naive_bias",
        "random_rmse",
        "lure_bias",
        "lure_bias_error",
        "lure_rmse",
        "lure_rmse_ratio",
        "lure_coverage",
    )
    result = {key: headline[key] for key in asked} | {"n": headline["labels"], "N": n, "resamples": resamples}
    result |= {"design": "half uniform, half by doubt", "designs": found, "seconds": time.perf_counter() - began}
    print(json.dumps({"benchmark": "bias", **rounded(result)}))


def line(name: str, told: dict[str, object]) -> str:
    """One design, readable."""
    points = {key: 100.0 * value for key, value in told.items() if isinstance(value, float)}
    coverage = f"{told['lure_coverage']:.3f}" if "lure_coverage" in told else "none"
    return (
        f"{name:33} labels {told['labels']:.0f} worth {told['effective']:.0f} even draws, refused "
        f"{points['refused']:.0f} %\n"
        f"    naive {points['naive_bias']:+.2f}  random {points['random_rmse']:.2f}  audit alone "
        f"{points['audit_rmse']:.2f} (coverage {told['audit_coverage']:.3f})\n"
        f"    LURE {points['lure_bias']:+.2f} +- {points['lure_bias_error']:.2f}, RMSE {points['lure_rmse']:.2f} = "
        f"{told['lure_rmse_ratio']:.2f} x random, coverage {coverage}; "
        f"with the doubt as control {told['difference_rmse_ratio']:.2f} x; "
        f"* RMSE {points['together_rmse']:.2f}, coverage {told['together_coverage']:.3f}"
    )


def rounded(told: object) -> object:
    """Numbers with five significant digits."""
    if isinstance(told, dict):
        return {key: rounded(value) for key, value in told.items()}
    return float(f"{told:.5g}") if isinstance(told, float) else told


if __name__ == "__main__":
    main()
