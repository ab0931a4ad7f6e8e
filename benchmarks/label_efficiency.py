"""How many labels each strategy needs for 90, 95 and 98 % of the score that all labels give, against random choice.

Sets: Banking77 (77 intents; MiniLM embeddings, logistic regression; the model hands its embedding to the log), KEEL's
letter (26 classes) and satimage (6) with a forest of extremely randomised trees, whose parts are the committee, and the
demo's movie-review sentences (3 classes) with the demo's own features and logistic regression.

Each choice is the product's own: the survey of a pool, duplicates folded, the shortlist, ``strategy.arrange`` and
``draw`` with weights ``rank ** -4`` (``rig/loop.py``; the run begins by checking that the whole stage chooses the
same). The current version has answered the whole pool before each batch. All strategies of a seed begin with the same
labels. ``@0.1`` is what the loop does by default: a tenth of each batch is the audit's, drawn evenly, and is trained on
like the rest; ``@0`` has no audit. The headline is the default, ``@0.1``.

A curve is made monotone (isotonic regression) and crosses the target between two batches by straight interpolation. The
ratio is labels over random's labels, of the same seed; its mean is geometric, its 95 % interval a percentile bootstrap
over seeds. A curve that ends below the target counts with the labels at its end; it is counted in ``unreached``, and
a pair of two such is left out.

    python benchmarks/label_efficiency.py [--quick] [--sets banking77,...] [--plans margin.v1@0.1,...] [--seeds 10]

The picture is written to docs/images/label-efficiency.svg by a full run. The last line is one JSON object.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rig.environments import Absent
from rig.loop import Curve, Plan, pairs_of_choices, run, score
from rig.picture import Line, picture
from rig.pools import Pool, pool_of
from rig.processes import end_in_order

from loopline.select.strategies import BUILT_IN

SETS = ("banking77", "letter", "satimage", "sentences")
SHARES = (90, 95, 98)
SEEDS, MORE = 10, {"sentences": 2.0}
"""Pairs of seeds; times as many of the defaults where a curve is flat: a point of accuracy is many labels there."""
EXPLORE = 0.1
"""The product's default."""
MOST = 0.8
"""Of the pool: where a curve ends at the latest."""
RESAMPLES = 10_000
RANDOM, HEADLINE = "random.v1@0.1", "cluster-margin.v1@0.1"
DEFAULTS = (HEADLINE, "random-diverse.v1@0.1", "typical-first then cluster-margin@0.1")
"""What the loop offers unasked: its strategy, its fallback, and its start without labels."""
DRAWN = (RANDOM, HEADLINE, "margin.v1@0.1", "entropy.v1@0.1", "random-diverse.v1@0.1", "badge.v1@0.1")
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "label-efficiency.svg"
SAME = "committee-consensus-kl.v1"
"""The same number as BALD's: not run twice."""


class Job(NamedTuple):
    """One curve."""

    pool: str
    plan: Plan
    seed: int
    target: float
    most: int


class Ratio(NamedTuple):
    """Labels over random's labels."""

    mean: float
    low: float
    high: float
    labels: float
    """Geometric mean over seeds."""
    unreached: int
    """Seeds whose curve ended below the target, or random's did."""


def plans() -> list[Plan]:
    """Every strategy as the loop uses it, the two leading ones without an audit, and a start without labels."""
    each = [Plan(f"{name}@{EXPLORE:g}", name, EXPLORE) for name in BUILT_IN if name != SAME]
    bare = [Plan(f"{name}@0", name, 0.0) for name in ("cluster-margin.v1", "margin.v1")]
    cold = Plan(DEFAULTS[2], "cluster-margin.v1", EXPLORE, first="typical-first.v1")
    return sorted([*each, *bare, cold], key=lambda plan: plan.name != RANDOM)


@cache
def held(name: str) -> Pool:
    """The set, read once a process."""
    return pool_of(name)


def full(name: str) -> float:
    """The score of a model that has all labels of the pool."""
    pool = held(name)
    every = np.arange(pool.size)
    return float(np.mean([score(pool, pool.learner(seed).fitted(every)) for seed in range(pool.seeds_of_full)]))


def curve(job: Job) -> Curve:
    """The curve of one job."""
    pool = held(job.pool)
    return run(pool, job.plan, seed=job.seed, target=job.target, most=min(job.most, int(MOST * pool.size)))


def crossing(found: Curve, target: float) -> float:
    """Labels at which the monotone curve reaches the target; infinite where it does not.

    >>> round(crossing(Curve([100, 200, 300], [0.5, 0.7, 0.6]), 0.6), 1)
    166.7
    """
    from sklearn.isotonic import IsotonicRegression

    scores = IsotonicRegression().fit_transform(found.labels, found.scores)
    at = int(np.searchsorted(scores, target - 1e-12))
    if at == len(scores):
        return float("inf")
    if at == 0:
        return float(found.labels[0])
    part = (target - scores[at - 1]) / (scores[at] - scores[at - 1])
    return float(found.labels[at - 1] + part * (found.labels[at] - found.labels[at - 1]))


def ratio(mine: Sequence[Curve], chance: Sequence[Curve], target: float) -> Ratio:
    """Labels to the target over those of random, paired by seed; random may have more of them."""
    chance = chance[: len(mine)]
    crossings = np.array([[crossing(found, target) for found in curves] for curves in (mine, chance)])
    ends = np.array([[found.labels[-1] for found in curves] for curves in (mine, chance)])
    unreached = int((~np.isfinite(crossings)).any(axis=0).sum())
    logs = np.log(np.minimum(crossings, ends))
    paired = (logs[0] - logs[1])[np.isfinite(crossings).any(axis=0)]  # where neither arrived there is nothing to say
    if not len(paired):
        return Ratio(*(float("nan"),) * 4, unreached)
    resampled = np.random.default_rng(0).choice(paired, (RESAMPLES, len(paired))).mean(axis=1)
    low, high = np.exp(np.quantile(resampled, [0.025, 0.975]))
    return Ratio(float(np.exp(paired.mean())), float(low), float(high), float(np.exp(logs[0].mean())), unreached)


class Outcome(NamedTuple):
    """What one set showed."""

    full: float
    curves: dict[str, list[Curve]]
    """By plan, one a seed."""

    def ratios(self, plan: str) -> dict[int, Ratio]:
        """By share of the full score."""
        return {
            share: ratio(self.curves[plan], self.curves[RANDOM], self.full * share / 100)
            for share in SHARES
        }  # fmt: skip


def measured(
    name: str, wanted: Sequence[Plan], *, options: argparse.Namespace, workers: ProcessPoolExecutor
) -> Outcome:  # fmt: skip
    """All curves of a set. Raises Absent."""
    began = time.perf_counter()
    whole = workers.submit(full, name).result()
    target = whole * SHARES[-1] / 100
    seeds = {plan.name: options.seeds for plan in wanted}
    seeds |= {plan: int(MORE.get(name, 1.0) * options.seeds) for plan in (RANDOM, *DEFAULTS)}
    turns = [(seed, plan) for seed in range(max(seeds.values())) for plan in wanted if seed < seeds[plan.name]]
    jobs = [Job(name, plan, seed, target, options.most) for seed, plan in turns]
    curves: dict[str, list[Curve]] = {plan.name: [] for plan in wanted}
    for job, found in zip(jobs, workers.map(curve, jobs), strict=True):
        curves[job.plan.name].append(found)
        print(
            f"  {name} seed {job.seed} {job.plan.name}: {len(found.labels)} batches, {found.labels[-1]:,} labels, "
            f"{found.scores[-1]:.4f} ({time.perf_counter() - began:,.0f} s)",
            flush=True,
        )
    return Outcome(whole, curves)


def checked(name: str) -> int:
    """How many strategies the whole stage was asked about; raises AssertionError unless it chose the same."""
    same = dict(pairs_of_choices(held(name)))
    others = [strategy for strategy, is_same in same.items() if not is_same]
    assert not others, f"the stage chooses otherwise on {name} by {others}"
    return len(same)


def told(name: str, found: Outcome) -> None:
    """A table of one set."""
    print(f"\n{name}: all labels give {found.full:.4f}; labels to 90 / 95 / 98 % of it, and the ratio to random's")
    for plan in sorted(found.curves, key=lambda plan: found.ratios(plan)[95].mean):
        cells = [
            f"{r.labels:6,.0f} {r.mean:5.2f} [{r.low:.2f}, {r.high:.2f}]{'*' if r.unreached else ' '}"
            for r in found.ratios(plan).values()
        ]
        print(f"  {plan:40}" + "  ".join(cells))


def summed(outcomes: dict[str, Outcome]) -> dict[str, object]:
    """The keys of the JSON object."""
    keys: dict[str, object] = {}
    worst: dict[str, float] = {}
    for name, found in outcomes.items():
        keys[f"{name}_full_score"] = round(found.full, 4)
        for share, one in (found.ratios(HEADLINE) if HEADLINE in found.curves else {}).items():
            keys |= {f"{name}_ratio_at_{share}": one.mean, f"{name}_ratio_at_{share}_upper": one.high}
        for plan in DEFAULTS:
            for share, one in (found.ratios(plan) if plan in found.curves else {}).items():
                worst |= {f"{name} {plan} {share}": one.mean} if np.isfinite(one.mean) else {}
    if worst:
        keys["worst_default"], keys["worst_default_ratio"] = max(worst.items(), key=lambda pair: pair[1])
    keys["worse_than_random"] = [
        f"{name} {plan} at {share}: {one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]"
        for name, found in outcomes.items()
        for plan in found.curves
        for share, one in found.ratios(plan).items()
        if one.mean > 1.02
    ]
    keys["plans"] = {
        name: {
            plan: {str(share): [rounded(value) for value in one] for share, one in found.ratios(plan).items()}
            for plan in found.curves
        }
        for name, found in outcomes.items()
    }
    return {key: rounded(value) for key, value in keys.items()}


def rounded(value: object) -> object:
    """A number with four digits after the point, no number as None; anything else as it is."""
    if not isinstance(value, float):
        return value
    return round(value, 4) if np.isfinite(value) else None


def drawn(outcomes: dict[str, Outcome]) -> str:
    """The picture: mean scores over seeds, as far as every seed went."""
    panels = {
        name: [Line(plan.partition(".v1")[0], _mean(found.curves[plan])) for plan in DRAWN if plan in found.curves]
        for name, found in outcomes.items()
    }
    return picture(panels, marks={name: [o.full * share / 100 for share in SHARES] for name, o in outcomes.items()})


def _mean(curves: Sequence[Curve]) -> list[tuple[float, float]]:
    grid: NDArray[np.int64] = np.array(min(curves, key=lambda one: len(one.labels)).labels)
    scores = np.mean([np.interp(grid, one.labels, one.scores) for one in curves], axis=0)
    return list(zip(grid.tolist(), scores.tolist(), strict=True))


def asked() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="labels that each strategy needs, against random")
    parser.add_argument("--quick", action="store_true", help="two seeds, few labels, few plans: tries the script")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--plans", default="", help="names such as margin.v1@0.1; random comes by itself")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--most", type=int, default=1_000_000, help="labels at which a curve ends")
    parser.add_argument("--workers", type=int, default=min(os.cpu_count() or 1, 8))
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.most = 2, 400
        options.plans = options.plans or ",".join(DEFAULTS)
    return options


def main() -> None:
    """Run, print, draw."""
    options, began = asked(), time.perf_counter()
    end_in_order()
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}  # of the workers
    wanted = [plan for plan in plans() if not options.plans or plan.name in (RANDOM, *options.plans.split(","))]
    outcomes, absent = {}, {}
    with ProcessPoolExecutor(options.workers, mp_context=multiprocessing.get_context("spawn")) as workers:
        for name in options.sets.split(","):
            try:
                same = workers.submit(checked, name).result()
                print(f"{name}: the whole stage chooses the same with {same} strategies", flush=True)
                usable = [plan for plan in wanted if name in FORESTS or not BUILT_IN[plan.strategy].needs_members]
                outcomes[name] = measured(name, usable, options=options, workers=workers)
            except Absent as reason:
                absent[name] = str(reason)
                print(f"{name} is left out: {reason}")
                continue
            told(name, outcomes[name])
    if set(outcomes) == set(SETS) and not options.plans and not options.quick:
        PICTURE.write_text(drawn(outcomes), encoding="utf-8")
    head = {"benchmark": "label_efficiency", "seeds": options.seeds, "quick": options.quick, "absent": absent}
    print(json.dumps({**head, **summed(outcomes), "seconds": round(time.perf_counter() - began)}))


FORESTS = ("letter", "satimage")
"""Sets whose model has members."""

if __name__ == "__main__":
    main()
