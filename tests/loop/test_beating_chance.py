"""Does choosing beat chance, over whole cycles: labels come in, small models are trained, judged, and a choice is made.

The world is a vocabulary: each text holds one telling word, and a model knows the words it was taught. Half of the
traffic speaks in words that the base set taught already. A strategy that asks for unknown words teaches twice as much
as chance; one that asks for known words teaches nothing.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest
from msgspec import structs

from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.launcher import Finished, MemoryLauncher
from loopline.adapters.memory.objects import MemoryObjects
from loopline.evaluate.comparison import compare
from loopline.orchestrate.beating import FALLBACK, choice, compared_after
from loopline.ports.launcher import Package
from loopline.records.model import RunResult
from loopline.records.settings import TrainSettings
from loopline.testing.factories import (
    LABELS,
    SIGNATURE,
    cycle,
    dataset_version,
    digest,
    label,
    later,
    model_version,
    selection,
    settings,
)  # fmt: skip
from loopline.train.arms import KINDS, arm_id, divided
from loopline.train.stage import plan, trial

KNOWN, WORDS, EACH, RESERVE = 60, 260, 50, 1_200
SETTINGS = settings(train=TrainSettings(run="train.py:train"))


class Labelled(NamedTuple):
    text: str
    cycle: int
    stratum: str


class World:
    """A loop whose strategy is a rule about words; what is random in it comes from one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.objects = MemoryObjects()
        self.rows = [Labelled(f"k{word} base", 0, "imported") for word in range(KNOWN)]
        self.comparisons, self.selections, self.models = [], [], {0: self.taught(self.rows, "v0")}
        self.reserve = [self.sealed(number) for number in range(RESERVE)]

    def word(self) -> int:
        """One word of the traffic."""
        known = self.chance.random() < 0.5
        return int(self.chance.integers(0, KNOWN) if known else self.chance.integers(KNOWN, WORDS))

    def sealed(self, number: int):
        word = self.word()
        return label(f"r{number}", f"k{word} r{number}", stratum="reserve", label=LABELS[word % 3])

    def taught(self, rows: list[Labelled], name: str):
        """The version that knows the words of these rows."""
        words = {row.text.split()[0] for row in rows}
        artifact = linear({word: [math.log(9) * (int(word[1:]) % 3 == place) for place in range(3)] for word in words})
        return model_version(name, artifact=self.objects.put(artifact))

    def turn(self, number: int, strategy) -> None:
        """One cycle: labels of both draws, the run with its two small models, the comparison."""
        found = choice(self.comparisons, signals=(), settings=SETTINGS)
        drawn = selection(id=f"cycle-{number}", cycle=number, strategy=found.strategy)
        pick = self.word if found.is_fallback else lambda: strategy(self)
        self.rows += [Labelled(f"k{pick()} c{number} {n}", number, "chosen") for n in range(2 * EACH)]
        self.rows += [Labelled(f"k{self.word()} a{number} {n}", number, "audit") for n in range(EACH)]
        after = compared_after(drawn, before=self.selections, comparisons=self.comparisons)
        self.selections.append(drawn)
        version = dataset_version(f"c{number}", file=self.objects.put(f"c{number}".encode()), cycle=number)
        spec = plan(
            cycle(number, seed=number), dataset=version, objects=Paths(), settings=SETTINGS, attempt=1,
            compare_after=after,
        )  # fmt: skip
        launcher = self.run(spec)
        self.models[number] = self.taught(self.rows, f"v{number}")
        self.comparisons.append(
            compare(
                cycle(number, seed=number), trial=trial(spec, launcher=launcher, objects=self.objects),
                strategy=found.strategy, before=self.models.get(after), fresh=self.reserve,
                load=lambda artifact, engine: MemoryEngine().load(
                    self.objects.get(artifact), engine=engine, signature=SIGNATURE
                ).predict,
                settings=SETTINGS, now=later(3_600 * number),
            )
        )  # fmt: skip

    def run(self, spec) -> MemoryLauncher:
        """The launcher once the run and what its worker trained beside it are done."""
        arms = divided(
            [digest(row.text.encode()) for row in self.rows],
            cycle=np.array([row.cycle for row in self.rows]),
            stratum=np.array([row.stratum for row in self.rows]),
            after=spec.compare_after,
            seed=spec.seed,
        )
        facts = {"labels": float(len(arms.chosen)), "shared": float(len(arms.shared)), "seconds": 1.0}

        def fate(asked):
            kind = str(asked.id).rsplit("/", 1)[-1]
            rows = [self.rows[place] for place in arms.rows_of("chosen" if kind == "chosen" else "random")]
            model = self.objects.get(self.taught(rows, "small").artifact)
            result = RunResult(
                engine="sklearn", artifact_file="m", checks_file="c", code=digest(b"code"), metrics=facts
            )  # fmt: skip
            return Finished(result, Package(model, b"checks"))

        launcher = MemoryLauncher(fate)
        if spec.compare_after >= 0:
            for kind in KINDS:
                launcher.submit(structs.replace(spec, id=arm_id(spec.id, kind)))
        return launcher


class Paths:
    """Where objects would lie."""

    def path(self, digest):
        return f"/objects/{digest}"


def asks_for_unknown_words(world: World) -> int:
    return int(world.chance.integers(KNOWN, WORDS))


def asks_for_known_words(world: World) -> int:
    return int(world.chance.integers(0, KNOWN))


def turned(strategy, *, cycles: int, seed: int) -> World:
    world = World(seed)
    for number in range(1, cycles + 1):
        world.turn(number, strategy)
    return world


@pytest.mark.parametrize("seed", range(4))
def test_a_strategy_that_teaches_nothing_gives_way_to_chance_after_three_comparisons(seed):
    world = turned(asks_for_known_words, cycles=5, seed=seed)
    assert [one.finding for one in world.comparisons] == ["worse"] * 3 + ["not measured"] * 2
    assert [one.strategy for one in world.selections] == ["cluster-margin.v1"] * 3 + [FALLBACK] * 2
    assert world.comparisons[3].reason == f"{FALLBACK} chooses at random itself"


@pytest.mark.parametrize("seed", range(4))
def test_a_strategy_that_teaches_twice_as_much_stays(seed):
    world = turned(asks_for_unknown_words, cycles=5, seed=seed)
    assert {one.strategy for one in world.selections} == {"cluster-margin.v1"}
    assert world.comparisons[0].finding == "better"
    assert world.comparisons[0].difference > 0


def test_each_label_is_compared_once_and_what_was_known_before_is_shared():
    world = turned(asks_for_unknown_words, cycles=3, seed=0)
    assert [one.trial.after for one in world.comparisons] == [0, 1, 2]
    assert [one.trial.labels for one in world.comparisons] == [EACH] * 3
    assert [one.trial.shared for one in world.comparisons] == [KNOWN + 3 * EACH * n for n in range(3)]
    assert all(one.before is not None for one in world.comparisons)
