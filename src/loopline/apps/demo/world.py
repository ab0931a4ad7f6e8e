"""The outside world of one demo run, frozen: who is sent, who measures, what people say about each sample."""

from pathlib import Path

import msgspec
import numpy as np
from numpy.random import Generator

from loopline.apps.demo.whole import write_whole
from loopline.records.signature import InputKind, JsonRow, Row, Signature

CYCLES = 3
"""Turns that a run takes, besides the one that trains v1."""
PEOPLE = ("amir", "bea", "chidi", "dora", "emil")
"""The five simulated annotators."""
CARELESS = "dora"
"""The one who does not look."""
CARELESS_SHARE = 0.4
"""How often the careless one picks a label blindly."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One input, what it is, and what single people said about it."""

    id: str
    row: JsonRow
    label: str
    """The class by the mean of all ratings; for digits, the digit."""
    ratings: tuple[str, ...] = ()
    """One label a rater; empty where nobody is asked."""

    @property
    def agreement(self) -> float:
        """Share of raters who gave the sample's class, in [0, 1]."""
        return self.ratings.count(self.label) / len(self.ratings) if self.ratings else 0.0


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Every sample of the run and its only purpose; no two parts share one."""

    loop: str
    dataset: str
    """In words, for the person who reads the result."""
    before_name: str
    """What comes first: ``movie reviews``."""
    after_name: str
    """What comes after the drift: ``tweets``."""
    input: InputKind
    width: int
    labels: tuple[str, ...]
    base: tuple[Sample, ...]
    """Trains the first version."""
    anchor: tuple[Sample, ...]
    """The fixed part of the reserve."""
    gold: tuple[Sample, ...]
    """Samples whose answer is known, hidden among the tasks."""
    before: tuple[Sample, ...]
    """Traffic before the drift."""
    after: tuple[Sample, ...]
    """Traffic after the drift."""
    measured_old: tuple[Sample, ...]
    """Never sent: they measure what the old world would lose."""
    measured_new: tuple[Sample, ...]
    """Never sent: they measure what the loop gains."""
    asked_per_label: int
    """People asked at most about a randomly chosen sample of the what-if."""
    seed: int

    @property
    def signature(self) -> Signature:
        """The contract of the loop's models."""
        return Signature(input=self.input, width=self.width, labels=self.labels)


def known_samples(world: World) -> dict[Row, Sample]:
    """Every sample that a person may be asked about, by its row."""
    return {sample.row: sample for sample in (*world.before, *world.after, *world.gold)}


def answer(world: World, sample: Sample, annotator: str) -> str:
    """What this person says about the sample: always the same, and each of the five quotes a different rater.

    The careless one picks blindly in 40 % of the samples.
    """
    place = PEOPLE.index(annotator)
    order = _rng(world, sample, "order").permutation(len(sample.ratings))
    if annotator == CARELESS:
        rng = _rng(world, sample, annotator)
        if rng.random() < CARELESS_SHARE:
            return world.labels[int(rng.integers(len(world.labels)))]
    return sample.ratings[int(order[place % len(order)])]


def majority(world: World, sample: Sample) -> str:
    """The label that a few honest people agree on; with no majority, the first one's answer."""
    given = votes(world, sample)
    return max(given, key=lambda label: (given.count(label), -given.index(label)))


def votes(world: World, sample: Sample) -> tuple[str, ...]:
    """What honest people say, one after the other, until two agree or as many as the world allows were asked."""
    given: list[str] = []
    for annotator in [name for name in PEOPLE if name != CARELESS][: world.asked_per_label]:
        label = answer(world, sample, annotator)
        is_settled = label in given
        given.append(label)
        if is_settled:
            break
    return tuple(given)


def write_world(world: World, path: Path) -> None:
    """Freeze the world in a file: whole, or not at all."""
    write_whole(path, msgspec.json.encode(world))


def read_world(path: Path) -> World:
    """The world that an earlier start has frozen."""
    return msgspec.json.decode(path.read_bytes(), type=World)


def _rng(world: World, sample: Sample, purpose: str) -> Generator:
    entropy = int.from_bytes(f"{sample.id}/{purpose}".encode(), "big")
    return np.random.default_rng([world.seed, entropy])
