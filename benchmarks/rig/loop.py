"""One loop without people: choose as the product chooses, look the labels up, fit again; the score after each batch."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.ports.columns import PoolRows, Sift, Sketch
from loopline.ports.strategy import Learned
from loopline.records.cycle import Cycle
from loopline.records.settings import SelectSettings, Settings
from loopline.select.batch import design_of
from loopline.select.draw import draw
from loopline.select.growing import grown
from loopline.select.shortlist import Wish
from loopline.select.sifting import kernel_of, keys_of
from loopline.select.stage import select
from loopline.select.strategies import BUILT_IN
from loopline.testing.pool_pieces import PiecedPool
from rig.learners import Answers
from rig.pools import VERSION, Pool, logged

Indices = NDArray[np.int64]
NOW = datetime(2026, 1, 5, tzinfo=UTC)


class Plan(NamedTuple):
    """How labels are chosen."""

    name: str
    strategy: str
    explore: float
    first: str = ""
    """What chooses the labels to begin with; empty: plain chance, the same for all plans of a seed."""


class Curve(NamedTuple):
    """The score on the rows that measure, by labels."""

    labels: list[int]
    scores: list[float]


class Asked(NamedTuple):
    """One batch to choose."""

    rows: PoolRows
    labelled: Indices
    """Places that have labels."""
    strategy: str
    explore: float
    budget: int
    seed: int


def run(pool: Pool, plan: Plan, *, seed: int, target: float, most: int) -> Curve:
    """Until three scores in a row reach the target on average, or there are ``most`` labels."""
    learner, curve = pool.learner(seed), Curve([], [])
    labelled = begun(pool, plan, seed=seed)
    for turn in range(10_000):
        answers = learner.fitted(labelled)
        curve.labels.append(len(labelled))
        curve.scores.append(score(pool, answers))
        if np.mean(curve.scores[-3:]) >= target or len(labelled) >= most:
            break
        budget = min(max(pool.batch, int(pool.growth * len(labelled))), most - len(labelled))
        asked = Asked(logged(pool, answers), labelled, plan.strategy, plan.explore, budget, 1_000 * seed + turn)
        labelled = np.concatenate([labelled, chosen(pool, asked)])
    return curve


def begun(pool: Pool, plan: Plan, *, seed: int) -> Indices:
    """The labels to begin with: the same for all plans of a seed that begin by chance, and no content twice."""
    if not plan.first:
        return _distinct(pool, np.random.default_rng(seed).permutation(pool.size))[: pool.start]
    classes = len(pool.signature.labels)
    evenly = np.full((len(pool.labels), classes), 1.0 / classes, np.float32)
    nothing = Answers(evenly, np.zeros((len(evenly), 0, classes), np.float32))
    asked = Asked(logged(pool, nothing), np.zeros(0, np.int64), plan.first, plan.explore, pool.start, 1_000 * seed)
    return chosen(pool, asked)


def _distinct(pool: Pool, places: Indices) -> Indices:
    first = np.unique(pool.content[places].astype(str), return_index=True)[1]
    return places[np.sort(first)]


def score(pool: Pool, answers: Answers) -> float:
    """The share of the measuring rows that the model gets right."""
    return float((answers.probabilities[pool.size :].argmax(axis=1) == pool.labels[pool.size :]).mean())


def chosen(pool: Pool, asked: Asked) -> Indices:
    """The batch as ``loopline.select.stage.select`` chooses it, by its own parts, without the records it writes."""
    strategy = BUILT_IN[asked.strategy]
    wish = Wish(
        strategy=strategy, wanted=asked.budget, model=VERSION, signature=pool.signature,
        learned=lambda: learned(pool, asked.labelled),
    )  # fmt: skip
    name, kernel = kernel_of(strategy, seed=asked.seed)
    held = PiecedPool(asked.rows)

    def survey(most: int, first: str) -> Sequence[Sketch]:
        sift = Sift(name=name, reads=strategy.reads, model=first, most=most, kernel=kernel)
        return tuple(held.survey(sift, after=0, until=pool.size))

    taken = np.sort(keys_of(pool.content[asked.labelled]))
    found = grown(survey, wish, taken=taken, seed=asked.seed)
    samples = found.pool.content
    design = design_of(found.listed, samples=len(samples), steps=asked.budget, explore=asked.explore, wish=wish)
    drawn = draw(design, candidates=keys_of(found.listed.rows.content), pool=samples, seed=asked.seed)
    keys = keys_of(pool.content[: pool.size])
    return first_places(keys, drawn.content)


def chosen_by_stage(pool: Pool, asked: Asked) -> Indices:
    """The batch by the whole stage, records and probabilities and all."""
    cycle = Cycle(
        loop="bench", number=1, phase="open", opened_at=NOW, closed_at=None, after=0, until=pool.size,
        budget=asked.budget, explore=asked.explore, seed=asked.seed, reason="", outcome="", outcome_reason="",
    )  # fmt: skip
    chosen_strategy = SelectSettings(strategy=asked.strategy)
    selection = select(
        cycle, pool=PiecedPool(asked.rows), taken=frozenset(pool.content[asked.labelled].tolist()), model=VERSION,
        strategy=BUILT_IN[asked.strategy],
        settings=Settings(name="bench", signature=pool.signature, folder=".", select=chosen_strategy),
        learned=lambda: learned(pool, asked.labelled),
    )  # fmt: skip
    keys = keys_of(pool.content[: pool.size])
    return first_places(keys, keys_of([candidate.content for candidate in selection.candidates]))


def first_places(keys: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> Indices:
    """The first place of each wanted key among the keys.

    >>> first_places(np.array([5, 3, 5], np.uint64), np.array([3, 5], np.uint64)).tolist()
    [1, 0]
    """
    distinct, first = np.unique(keys, return_index=True)
    return np.asarray(first[np.searchsorted(distinct, wanted)], np.int64)


def learned(pool: Pool, labelled: Indices) -> Learned:
    """What has labels, as the stage is told."""
    names = pool.signature.labels
    return Learned(tuple(pool.inputs[labelled].tolist()), tuple(names[at] for at in pool.labels[labelled]))


def pairs_of_choices(pool: Pool, *, seed: int = 0) -> Iterator[tuple[str, bool]]:
    """For each strategy whether the parts and the whole stage chose the same batch, in the same order."""
    plan = Plan("", "random.v1", 0.0)
    labelled = begun(pool, plan, seed=seed)
    rows = logged(pool, pool.learner(seed).fitted(labelled))
    for name, strategy in BUILT_IN.items():
        if strategy.needs_members and not len(rows.members[0]):
            continue
        asked = Asked(rows, labelled, name, 0.1, pool.batch, seed)
        yield name, np.array_equal(chosen(pool, asked), chosen_by_stage(pool, asked))
