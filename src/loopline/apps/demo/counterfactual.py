"""What if as many labels had been spent on randomly chosen samples? The same stages, the same train.py, five seeds.

A process of its own: ``python -m loopline.apps.demo.counterfactual DIR``. Leaves ``DIR/demo/whatif.json``.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from loopline.apps.config import load_settings
from loopline.apps.demo.measuring import measure
from loopline.apps.demo.whole import write_whole
from loopline.apps.demo.world import CYCLES, Sample, World, majority, read_world, votes
from loopline.apps.wiring import FOLDER, House, open_house
from loopline.dataset.stage import cut
from loopline.errors import LooplineError, Unavailable
from loopline.records.cycle import Cycle
from loopline.records.dataset import DatasetVersion
from loopline.records.ids import Digest, PredictionId, RunId, VersionName
from loopline.records.label import Label, LabelBatch
from loopline.records.model import RunSpec
from loopline.records.selection import Candidate, Selection
from loopline.records.signature import Row, Signature
from loopline.train.stage import collect, plan

SEEDS = (1, 2, 3, 4, 5)
ATTEMPTS = 3
"""For a run whose process vanishes."""
NICE = 10
"""The live loop goes first."""
FAR = 1_000
"""Added to the seed, it numbers a turn that the loop itself never reaches in a demo."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One sent sample that random choice may draw."""

    prediction: PredictionId
    content: Digest
    inputs: bytes
    sample: Sample


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """What random choice would have brought."""

    labels: int
    """Spent by each seed."""
    accuracies: tuple[float, ...]
    """On the never-sent samples of the new world, one a seed."""


def labels_spent(batches: Sequence[LabelBatch]) -> int:
    """Labels that entered training in the demo's turns: the chosen and the audit ones."""
    within = (batch for batch in batches if 0 < batch.cycle <= CYCLES)
    return sum(label.stratum in ("chosen", "audit") for batch in within for label in batch.labels)


def sendable(house: House, world: World) -> tuple[Asked, ...]:
    """Every sample of the new world that was sent and is not sealed in the reserve, once each, by content."""
    samples: dict[Row, Sample] = {sample.row: sample for sample in world.after}
    rows = house.log.rows(after=0, until=house.log.end())
    found: dict[str, Asked] = {}
    for prediction, content, inputs in zip(rows.id, rows.content, rows.inputs, strict=True):
        sample = samples.get(house.settings.signature.decode(inputs))
        if sample is not None:
            asked = Asked(prediction=prediction, content=content, inputs=inputs, sample=sample)
            found.setdefault(content, asked)
    return tuple(found[content] for content in sorted(found))


def draw(pool: Sequence[Asked], *, count: int, seed: int) -> tuple[Asked, ...]:
    """``count`` of them, uniformly, without repeats; all of them when there are fewer."""
    order = np.random.default_rng(seed).permutation(len(pool))[:count]
    return tuple(pool[int(place)] for place in order)


def labelled(drawn: Sequence[Asked], *, world: World, cycle: Cycle, signature: Signature) -> LabelBatch:
    """What the simulated people say about the drawn samples, by majority."""
    labels = []
    for one in drawn:
        label = majority(world, one.sample)
        labels.append(
            Label(
                sample=one.prediction,
                content=one.content,
                inputs=one.inputs,
                cycle=cycle.number,
                stratum="audit",
                label=label,
                posterior=tuple(float(label == name) for name in signature.labels),
                annotators=("what-if",),
            )
        )
    return LabelBatch(
        id=f"{cycle.id}/labels",
        loop=world.loop,
        cycle=cycle.number,
        method="majority.v1",
        labels=tuple(labels),
        alpha=-1.0,
        alpha_n=0,
        annotations=sum(len(votes(world, one.sample)) for one in drawn),
        reason="what if these had been chosen at random",
    )


def run_what_if(folder: Path) -> WhatIf:
    """Train and measure every seed, one after the other, and write the outcome. Runs that are done stay done."""
    world = read_world(folder / "demo" / "world.json")
    house = open_house(load_settings(folder / "loop.toml"), root=folder / FOLDER)
    count = labels_spent(house.ledger.all(LabelBatch, house.settings.name))
    pool = sendable(house, world)
    base = house.ledger.get(DatasetVersion, "c0", loop=house.settings.name)
    accuracies = []
    for seed in SEEDS:
        spec, dataset = _submit(house, world, pool=pool, count=count, base=base, seed=seed)
        model = collect(
            _finished(house, spec),
            launcher=house.launcher,
            objects=house.objects,
            engine=house.engine,
            name=VersionName(spec.id),
            dataset=dataset,
            now=house.clock.now(),
        )
        accuracies.append(measure(model, world.measured_new, objects=house.objects, engine=house.engine).value)
    outcome = WhatIf(labels=min(count, len(pool)), accuracies=tuple(accuracies))
    write_whole(folder / "demo" / "whatif.json", msgspec.json.encode(outcome))
    return outcome


def read_what_if(folder: Path) -> WhatIf | None:
    """The outcome, or None when there is none."""
    path = folder / "demo" / "whatif.json"
    return msgspec.json.decode(path.read_bytes(), type=WhatIf) if path.is_file() else None


def _submit(
    house: House, world: World, *, pool: Sequence[Asked], count: int, base: DatasetVersion, seed: int
) -> tuple[RunSpec, DatasetVersion]:
    drawn = draw(pool, count=count, seed=seed)
    cycle, settings = _turn(house, count=count, seed=seed), house.settings
    dataset = cut(
        cycle,
        parent=base,
        batch=labelled(drawn, world=world, cycle=cycle, signature=settings.signature),
        selection=_selection(cycle, drawn, pool=len(pool)),
        objects=house.objects,
        settings=settings,
        now=house.clock.now(),
    ).version
    planned = plan(cycle, dataset=dataset, objects=house.objects, settings=settings, attempt=0)
    # the draw is part of the id: were it another, this would be another run
    spec = msgspec.structs.replace(planned, id=RunId(f"what-if/{seed}/{dataset.file[:12]}"), seed=seed)
    house.launcher.submit(_attempt(spec, 0))
    return spec, dataset


def _finished(house: House, spec: RunSpec) -> RunSpec:
    """The run once it has succeeded; one whose process has vanished is tried again under the next id."""
    for attempt in range(ATTEMPTS):
        tried = _attempt(spec, attempt)
        house.launcher.submit(tried)
        while (state := house.launcher.poll(tried.id)).phase == "running":
            time.sleep(0.2)
        if state.phase == "succeeded":
            return tried
        if state.phase == "failed":
            break
    raise Unavailable(f"run {tried.id}", reason=state.reason)


def _attempt(spec: RunSpec, attempt: int) -> RunSpec:
    return msgspec.structs.replace(spec, id=RunId(f"{spec.id}/{attempt}"))


def _turn(house: House, *, count: int, seed: int) -> Cycle:
    now = house.clock.now()
    return Cycle(
        loop=house.settings.name,
        number=FAR + seed,
        phase="cut",
        opened_at=now,
        closed_at=None,
        after=0,
        until=house.log.end(),
        budget=count,
        explore=1.0,
        seed=seed,
        reason="what if at random",
        outcome="",
        outcome_reason="",
    )


def _selection(cycle: Cycle, drawn: Sequence[Asked], *, pool: int) -> Selection:
    return Selection(
        id=f"{cycle.id}/selection",
        loop=cycle.loop,
        cycle=cycle.number,
        strategy="random.v1",
        embedding="none",
        seed=cycle.seed,
        model=VersionName("v1"),
        after=cycle.after,
        until=cycle.until,
        pool_rows=pool,
        pool_distinct=pool,
        candidates=tuple(_candidate(one, order=order, pool=pool, count=len(drawn)) for order, one in enumerate(drawn)),
        reason=cycle.reason,
    )


def _candidate(one: Asked, *, order: int, pool: int, count: int) -> Candidate:
    return Candidate(
        prediction=one.prediction,
        content=one.content,
        draw="audit",
        order=order,
        score=0.0,
        probability=count / pool,
        multiplicity=1,
        predicted="",
    )


if __name__ == "__main__":
    os.nice(NICE)
    try:
        run_what_if(Path(sys.argv[1]))
    except LooplineError as error:
        sys.exit(f"what-if: {error}")
