"""Label quality: what it costs to make labels of a million answers, to say how far people agree, and how few suffice.

Everything of ours runs in this process. The answers are simulated: 300,000 samples, 1,000,000 answers by 200 people,
each with a confusion matrix of their own (accuracy 0.73 on average, mistakes unevenly spread), who meet samples at
random. Five classes; the same with ten stands beside it. A median of several runs each.

- ``dawid_skene_seconds``: from unsorted arrays to posteriors and everybody's confusion; ``from_texts_seconds``: the
  question's own door, from answers as texts to labels, with alpha.
- ``agreement_seconds``: alpha at four levels, AC1 and Fleiss' kappa with bootstrap intervals over samples (1,000
  resamples), and Cohen's kappa of all 19,900 pairs of people; from arrays.
- crowd-kit's Dawid-Skene, in an environment of its own, and the nominal alpha of ``krippendorff``: on the same answers.
- ``labels_per_sample_99``: the fewest labels a sample, over thresholds of the stopping rule, at which labels are
  right in 0.99 of the samples. Idealised in that the model is calibrated, people err independently and on every other
  label alike, as the rule supposes, somebody new is always there to ask, and the threshold is the best one in
  hindsight; people's accuracies (0.85 on average) are not known to the rule, but estimated from 200 checked answers
  each, which is how far the product looks back. Beside it the same without the model, with a model that knows nothing
  of three samples in ten and does not say so, and five labels for every sample.

The last line is one JSON object. ``--quick``: a tenth of the samples, fewer runs.

    python benchmarks/aggregation.py [--quick] [--no-rivals]
"""

import argparse
import json
import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import krippendorff
import numpy as np
from numpy.typing import NDArray
from rig.costs import cost, rounded
from rig.environments import VERSIONS, Absent, environment
from scipy.stats import beta

from loopline.annotate.agreement import agreements, krippendorff_alpha
from loopline.annotate.ballots import Ballots
from loopline.annotate.coefficients import Coefficient, alpha, fleiss, gwet, ordinal_alpha
from loopline.annotate.cohen import cohen
from loopline.annotate.dawid_skene import dawid_skene
from loopline.annotate.distances import interval, nominal, ratio
from loopline.annotate.majority import majority
from loopline.annotate.prior import doubted
from loopline.annotate.questions import Single
from loopline.annotate.stopping import asked, believed, reliance
from loopline.ports.sheet import Sheet

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

RIVAL = Path(__file__).parent / "rivals" / "crowdkit_labels.py"
PEOPLE, SAMPLES, ANSWERS, CLASSES = 200, 300_000, 1_000_000, 5
RESAMPLES = 1_000
LIMIT = 900
"""Seconds that a rival may take in all."""
MOST = 5
THRESHOLDS = (0.9, 0.95, 0.9525, 0.955, 0.9575, 0.96, 0.9625, 0.965, 0.97, 0.98, 0.99, 0.995)
EVIDENCE = 200
"""Answers by which each person is known: as many as the product looks back on."""


class Crowd(NamedTuple):
    """Answers, and what is true."""

    ballots: Ballots
    truth: Places


def crowd_of(samples: int, answers: int, *, classes: int, seed: int = 1) -> Crowd:
    """Answers of 200 people of different worth, at least three to each sample, in no order."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, samples, p=rng.dirichlet(np.full(classes, 8.0)))
    confusion = np.empty((PEOPLE, classes, classes))
    for person, skill in enumerate(rng.beta(8, 3, PEOPLE)):
        right = np.clip(rng.normal(skill, 0.08, classes), 0.3, 0.99)
        for true in range(classes):
            wrong = np.arange(classes) != true
            confusion[person, true, wrong] = (1 - right[true]) * rng.dirichlet(np.full(classes - 1, 0.7))
            confusion[person, true, true] = right[true]
    often = np.full(samples, answers // samples)
    often[rng.choice(samples, answers - often.sum(), replace=False)] += 1
    task, turn = np.nonzero(np.arange(often.max()) < often[:, None])
    person = distinct(rng, samples, often.max())[task, turn]
    choice = drawn(rng, confusion[person, truth[task]])
    order = rng.permutation(answers)
    known = np.full(samples, -1)
    return Crowd(Ballots(task[order], person[order], choice[order], known, PEOPLE, classes), truth)


def distinct(rng: np.random.Generator, rows: int, each: int) -> Places:
    """(rows, each) Different people in every row."""
    found = rng.integers(0, PEOPLE, (rows, each))
    while len(again := np.flatnonzero((np.diff(np.sort(found, axis=1), axis=1) == 0).any(axis=1))):
        found[again] = rng.integers(0, PEOPLE, (len(again), each))
    return found


def drawn(rng: np.random.Generator, p: Numbers) -> Places:
    """One place a row of these distributions."""
    return np.minimum((rng.random(len(p))[:, None] > p.cumsum(axis=1)).sum(axis=1), p.shape[1] - 1)


def hit_rate(posterior: Numbers, truth: Places) -> float:
    """Share of right labels; a tie of t leading labels that holds the right one counts 1/t."""
    p = posterior.round(9)
    leads = p == p.max(axis=1, keepdims=True)
    return float((leads[np.arange(len(p)), truth] / leads.sum(axis=1)).mean())


def coefficients_of(classes: int) -> dict[str, Coefficient]:
    scale = np.arange(1.0, classes + 1)
    return {
        "alpha_nominal": alpha(nominal(classes)), "alpha_ordinal": ordinal_alpha,
        "alpha_interval": alpha(interval(scale)), "alpha_ratio": alpha(ratio(scale)),
        "gwet_ac1": gwet(np.eye(classes)), "fleiss_kappa": fleiss,
    }  # fmt: skip


def every_figure(ballots: Ballots) -> dict[str, Any]:
    """All that is said about agreement."""
    rng = np.random.default_rng(0)
    told = agreements(ballots.votes, coefficients_of(ballots.classes), rng=rng, resamples=RESAMPLES)
    pairs = cohen(ballots)
    shown: dict[str, Any] = {
        name: [round(number, 5) for number in (one.value, one.low, one.high)] for name, one in told.items()
    }
    return shown | {"cohen_mean": round(float(np.nanmean(pairs.kappa)), 5), "cohen_pairs": int((pairs.n > 0).sum() / 2)}


def sheet_of(crowd: Crowd) -> tuple[Sheet, tuple[str, ...]]:
    """The same answers as texts."""
    ballots, labels = crowd.ballots, tuple(f"label {i}" for i in range(crowd.ballots.classes))
    answer = tuple(labels[i] for i in ballots.choice.tolist())
    nothing = np.zeros((len(ballots.known), len(labels)))
    return Sheet(ballots.task, ballots.person, answer, ("",) * len(ballots.known), PEOPLE, nothing), labels


def ours(crowd: Crowd, *, repetitions: int) -> dict[str, Any]:
    """Time and worth of labels, time of agreement."""
    ballots, truth = crowd
    sheet, labels = sheet_of(crowd)
    fit = cost(partial(dawid_skene, ballots), repetitions=repetitions)
    whole = cost(partial(Single().agreed, sheet, labels=labels), repetitions=max(1, repetitions // 2), weigh=False)
    agree = cost(partial(every_figure, ballots), repetitions=repetitions)
    return {
        "classes": ballots.classes,
        "dawid_skene_seconds": rounded(fit.seconds),
        "dawid_skene_cpu_seconds": rounded(fit.cpu_seconds),
        "dawid_skene_extra_mb": rounded(fit.extra_mb),
        "from_texts_seconds": rounded(whole.seconds),
        "dawid_skene_accuracy": round(hit_rate(dawid_skene(ballots).posterior, truth), 4),
        "majority_accuracy": round(hit_rate(majority(ballots.votes), truth), 4),
        "agreement_seconds": rounded(agree.seconds),
        "agreement_cpu_seconds": rounded(agree.cpu_seconds),
        "agreement": every_figure(ballots),
    }


def against_krippendorff(crowd: Crowd, *, repetitions: int) -> dict[str, Any]:
    """The nominal alpha of the same votes, without an interval: theirs and ours."""
    votes = crowd.ballots.votes
    counts = votes.astype(np.int64)
    theirs = partial(krippendorff.alpha, value_counts=counts, level_of_measurement="nominal")
    mine = cost(partial(krippendorff_alpha, votes), repetitions=repetitions)
    other = cost(theirs, repetitions=repetitions)
    assert abs(float(theirs()) - krippendorff_alpha(votes).value) < 1e-9
    return {
        "krippendorff_samples": len(votes),
        "krippendorff_seconds": rounded(other.seconds),
        "krippendorff_extra_mb": rounded(other.extra_mb),
        "alpha_seconds": rounded(mine.seconds),
        "alpha_extra_mb": rounded(mine.extra_mb),
        "ratio_vs_krippendorff": rounded(other.seconds / mine.seconds),
    }


def against_crowdkit(crowd: Crowd, *, repetitions: int) -> dict[str, Any]:
    """Its Dawid-Skene with its own tolerance, which ends earlier than ours, and both on the same answers."""
    ballots = crowd.ballots
    mine = cost(partial(dawid_skene, ballots), repetitions=repetitions, weigh=False)
    with tempfile.TemporaryDirectory(prefix="loopline-bench-") as name:
        folder = Path(name)
        np.save(folder / "answers.npy", np.stack([ballots.task, ballots.person, ballots.choice]))
        try:
            order = [str(environment("crowdkit") / "python"), str(RIVAL), str(folder), "100", str(repetitions)]
            done = subprocess.run(order, check=False, capture_output=True, text=True, timeout=LIMIT)
        except Absent as absent:
            return {"crowdkit": {"absent": str(absent)}}
        except subprocess.TimeoutExpired:
            return {"crowdkit": {"unfinished": f"more than {LIMIT} s"}}
        if done.returncode:
            return {"crowdkit": {"failed": (done.stderr.splitlines() or ["no word"])[-1][:200]}}
        found = json.loads(done.stdout.splitlines()[-1])
        labels = np.load(folder / "labels.npy")
    told = {key: rounded(value) for key, value in found.items()}
    told["accuracy"] = round(float((labels == crowd.truth).mean()), 4)
    return {
        "crowdkit": told | {"samples": len(crowd.truth), "version": VERSIONS["crowdkit"][0]},
        "ratio_vs_crowdkit": rounded(found["seconds"] / mine.seconds),
        "cpu_ratio_vs_crowdkit": rounded(found["cpu_seconds"] / mine.cpu_seconds),
    }


class Asking(NamedTuple):
    """Samples, what a model says of them, and what people would answer, were they asked."""

    truth: Places
    model: Numbers
    who: Places
    """(samples, 5)"""
    said: Places
    """(samples, 5)"""
    accuracy: Numbers
    """(people,) As estimated."""

    def heard(self, people: Places) -> Ballots:
        """The first so many answers to each sample."""
        task, turn = np.nonzero(np.arange(MOST) < people[:, None])
        known = np.full(len(self.truth), -1)
        return Ballots(task, self.who[task, turn], self.said[task, turn], known, PEOPLE, CLASSES)


def asking_of(samples: int, *, unknown: float) -> Asking:
    """A calibrated model, but for a share of samples of which it knows nothing and is as sure as ever."""
    rng = np.random.default_rng(3)
    model = np.exp(3.5 * rng.normal(size=(samples, CLASSES)))
    model /= model.sum(axis=1, keepdims=True)
    truth = np.where(rng.random(samples) < unknown, rng.integers(0, CLASSES, samples), drawn(rng, model))
    skill = beta.ppf((np.arange(PEOPLE) + 0.5) / PEOPLE, 17, 3)
    who = distinct(rng, samples, MOST)
    wrong = (truth[:, None] + rng.integers(1, CLASSES, who.shape)) % CLASSES
    said = np.where(rng.random(who.shape) < skill[who], truth[:, None], wrong)
    right = rng.binomial(EVIDENCE, skill).astype(np.float64)
    return Asking(truth, model, who, said, reliance(right, np.full(PEOPLE, float(EVIDENCE))))


def sequential(asking: Asking, beforehand: Numbers, *, stop_at: float) -> tuple[float, float]:
    """Labels a sample and accuracy, asking one person more where the posterior lies below ``stop_at``."""
    people = np.ones(len(asking.truth), dtype=np.int64)
    for _ in range(MOST):
        posterior = believed(asking.heard(people), asking.accuracy, beforehand=beforehand)
        people = asked(answers=people, leading=posterior.max(axis=1), stop_at=stop_at, least=1, most=MOST)
    posterior = believed(asking.heard(people), asking.accuracy, beforehand=beforehand)
    return float(people.mean()), hit_rate(posterior, asking.truth)


def stopping(samples: int) -> dict[str, Any]:
    """How few labels reach 0.99."""
    asking, moved = asking_of(samples, unknown=0.0), asking_of(samples, unknown=0.3)
    nothing = np.zeros_like(asking.model)
    runs = {
        "with_model": (asking, doubted(asking.model)),
        "without_model": (asking, nothing),
        "model_misses_0.3": (moved, doubted(moved.model)),
        "model_misses_0.3_believed_blindly": (moved, moved.model),
    }
    told: dict[str, Any] = {
        "model_accuracy": rounded(hit_rate(asking.model, asking.truth)),
        "stopping_samples": samples,
    }
    for name, (one, beforehand) in runs.items():
        found = {stop_at: sequential(one, beforehand, stop_at=stop_at) for stop_at in THRESHOLDS}
        told[name] = {str(at): [round(number, 4) for number in pair] for at, pair in found.items()}
        enough = [(labels, at) for at, (labels, right) in found.items() if right >= 0.99]
        told[f"{name}_99"] = [round(min(enough)[0], 3), min(enough)[1]] if enough else None
    five = asking.heard(np.full(samples, MOST))
    told["fixed_five_accuracy"] = round(hit_rate(majority(five.votes), asking.truth), 4)
    told["fixed_five_dawid_skene_accuracy"] = round(hit_rate(dawid_skene(five).posterior, asking.truth), 4)
    reached = told["with_model_99"]
    told["labels_per_sample_99"] = reached and reached[0]
    return told


def report(*, quick: bool, with_rivals: bool) -> dict[str, Any]:
    load, scale, repetitions = os.getloadavg()[0], 10 if quick else 1, 3 if quick else 7
    crowd = crowd_of(SAMPLES // scale, ANSWERS // scale, classes=CLASSES)
    summary: dict[str, Any] = {
        "benchmark": "aggregation",
        "quick_a_tenth_of_the_samples": quick,
        "load_before": round(load, 2),
        "cores": os.cpu_count(),
        "samples": SAMPLES // scale,
        "answers": ANSWERS // scale,
        "people": PEOPLE,
        "bootstrap_resamples": RESAMPLES,
    }
    summary |= ours(crowd, repetitions=repetitions)
    ten = crowd_of(SAMPLES // scale, ANSWERS // scale, classes=10)
    summary["ten_classes"] = ours(ten, repetitions=max(1, repetitions // 2))
    summary |= stopping(100_000 // scale)
    print(json.dumps(summary, indent=1), flush=True)
    if with_rivals:
        summary |= against_krippendorff(crowd, repetitions=repetitions)
        summary |= against_crowdkit(crowd, repetitions=3 if quick else 1)
    return summary


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-rivals", action="store_true")
    chosen = parser.parse_args()
    print(json.dumps(report(quick=chosen.quick, with_rivals=not chosen.no_rivals)))
