"""What the run came to, computed from stored state and from the samples that were never sent."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean

import msgspec

from loopline.apps.config import load_settings
from loopline.apps.console import Console
from loopline.apps.demo.counterfactual import WhatIf, read_what_if
from loopline.apps.demo.measuring import Accuracy, measure
from loopline.apps.demo.world import CYCLES, World
from loopline.apps.wiring import FOLDER, House, open_house
from loopline.orchestrate.lineage import Step, why
from loopline.orchestrate.runner import Runner
from loopline.records.cycle import Cycle
from loopline.records.evaluation import Verdict
from loopline.records.ids import PredictionId
from loopline.records.label import LabelBatch
from loopline.records.lineage import Activity
from loopline.records.model import ModelVersion
from loopline.records.rollout import Rollout
from loopline.records.signal import Signal
from loopline.records.task import Standing


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One version on the samples that were never sent."""

    name: str
    cycle: int
    outcome: str
    """Of the turn that made it."""
    new: Accuracy
    old: Accuracy


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outcome."""

    dataset: str
    before_name: str
    after_name: str
    seconds: float
    cycles: int
    labels: dict[str, int]
    """By stratum."""
    annotations: int
    agreement: tuple[tuple[int, float, int], ...]
    """Cycle, Krippendorff's alpha, samples behind it; cycles without such samples are left out."""
    versions: tuple[Measured, ...]
    what_if: WhatIf | None
    flagged: tuple[Standing, ...]
    signals: tuple[Signal, ...]
    decisions: tuple[str, ...]
    """One sentence a decision."""
    promoted: tuple[str, ...]
    is_lineage_complete: bool
    why: tuple[str, ...]
    """The tree behind one prediction, a line an entity."""
    answered: int
    stored: int
    dropped: int

    @property
    def best(self) -> Measured | None:
        """The version that does best in the new world; the older one of equals."""
        return max(self.versions, key=lambda version: version.new.value, default=None)

    @property
    def random_accuracy(self) -> float | None:
        """Mean over the seeds, when the what-if was run."""
        return mean(self.what_if.accuracies) if self.what_if and self.what_if.accuracies else None


def read_report(folder: Path, *, world: World, seconds: float) -> Report:
    """The report on the loop in this folder. Reads only."""
    house = open_house(load_settings(folder / "loop.toml"), root=folder / FOLDER)
    loop, ledger = house.settings.name, house.ledger
    cycles = [c for c in ledger.all(Cycle, loop) if 0 < c.number <= CYCLES]
    batches = [b for b in ledger.all(LabelBatch, loop) if 0 < b.cycle <= CYCLES]
    rollouts = [r for r in ledger.all(Rollout, loop) if r.cycle <= CYCLES]
    activities = ledger.activities(loop)
    counts = house.counters.read()
    return Report(
        dataset=world.dataset,
        before_name=world.before_name,
        after_name=world.after_name,
        seconds=seconds,
        cycles=sum(cycle.phase == "closed" for cycle in cycles),
        labels=spent_by_stratum(batches),
        annotations=sum(batch.annotations for batch in batches),
        agreement=tuple((b.cycle, b.alpha, b.alpha_n) for b in batches if b.alpha_n),
        versions=_measured(house, world, cycles),
        what_if=read_what_if(folder),
        flagged=tuple(s for s in ledger.all(Standing, loop) if s.state == "paused"),
        signals=ledger.all(Signal, loop),
        decisions=decisions(ledger.all(Verdict, loop), rollouts, cycles),
        promoted=tuple(r.challenger for r in rollouts if r.state == "promoted" and r.cycle > 0),
        is_lineage_complete=bool(activities) and not Console(house, Runner(house)).orphans(),
        why=_why(house, activities),
        answered=counts.get("answered", 0) - counts.get("repeated", 0),
        stored=counts.get("stored", 0),
        dropped=counts.get("dropped", 0),
    )


def spent_by_stratum(batches: Iterable[LabelBatch]) -> dict[str, int]:
    """Labels by what they were for: chosen and audit train, reserve judges, gold checks people."""
    counts = Counter(label.stratum for batch in batches for label in batch.labels)
    return {stratum: counts[stratum] for stratum in ("chosen", "audit", "reserve", "gold") if counts[stratum]}


def decisions(verdicts: Iterable[Verdict], rollouts: Iterable[Rollout], cycles: Iterable[Cycle]) -> tuple[str, ...]:
    """A sentence for each judgement and rollout, turn by turn; a turn's own sentence only where it says more."""
    told = [
        (v.cycle, 0, _said(f"gate, {v.challenger}", v.outcome, v.reason)) for v in verdicts if 0 < v.cycle <= CYCLES
    ]
    told += [(r.cycle, 1, _said(f"rollout, {r.challenger}", r.state, r.reason)) for r in rollouts if r.cycle > 0]
    known = "\n".join(sentence for _, _, sentence in told)
    told += [
        (c.number, 2, _said(f"cycle {c.number}", c.outcome, c.outcome_reason))
        for c in cycles
        if c.outcome and c.outcome_reason not in known
    ]
    return tuple(sentence for _, _, sentence in sorted(told))


def verdict_on_choosing(report: Report) -> str:
    """Whether choosing beat random choice in this run, plainly.

    The spread of random choice is that of its seeds; a difference inside it counts as no difference.
    """
    random, best = report.random_accuracy, report.best
    if random is None or best is None or report.what_if is None:
        return "What random choice would have brought was not measured in this run."
    gap = 100 * (best.new.value - random)
    low, high = min(report.what_if.accuracies), max(report.what_if.accuracies)
    random_told = (
        f"{len(report.what_if.accuracies)} random choices of as many labels ({100 * low:.1f} to {100 * high:.1f} %)"
    )
    if best.new.value > high:
        return f"Choosing beat random: {best.name} is {gap:.1f} points above the mean of {random_told}."
    if best.new.value < low:
        return f"Choosing did NOT beat random: {best.name} is {-gap:.1f} points below the mean of {random_told}."
    return (
        f"Choosing did not beat random: {best.name} is {gap:+.1f} points from the mean of, and within, {random_told}."
    )


def lines_of(step: Step, *, depth: int = 0, deepest: int = 8) -> tuple[str, ...]:
    """The tree as indented lines."""
    made = f"  by {step.act} at {step.at[:19]}" if step.at else ""
    line = f"{'  ' * depth}{step.entity}{made}"
    if depth >= deepest:
        return (line,)
    return (line, *(part for source in step.sources for part in lines_of(source, depth=depth + 1, deepest=deepest)))


def _said(what: str, outcome: str, reason: str) -> str:
    return f"{what}: {reason}" if reason.startswith(f"{outcome}:") else f"{what}: {outcome}: {reason}"


def _measured(house: House, world: World, cycles: Sequence[Cycle]) -> tuple[Measured, ...]:
    outcomes = {cycle.number: cycle.outcome for cycle in cycles} | {0: "first"}
    models = [m for m in house.ledger.all(ModelVersion, house.settings.name) if m.cycle <= CYCLES]
    return tuple(
        Measured(
            name=model.name,
            cycle=model.cycle,
            outcome=outcomes.get(model.cycle, ""),
            new=measure(model, world.measured_new, objects=house.objects, engine=house.engine),
            old=measure(model, world.measured_old, objects=house.objects, engine=house.engine),
        )
        for model in models
    )


def _why(house: House, activities: Sequence[Activity]) -> tuple[str, ...]:
    """The walk behind the last live prediction: what answered it, what that was trained on, and so on."""
    rows = house.log.rows(after=max(0, house.log.end() - 200), until=house.log.end())
    if not len(rows.id):
        return ()
    prediction = house.log.find(PredictionId(rows.id[-1]))
    model = why(f"model:{prediction.model}", activities)
    asked = str(house.settings.signature.decode(prediction.inputs))[:70]
    head = f"prediction {prediction.id}: {prediction.label} ({max(prediction.probabilities):.2f}) for {asked!r}"
    return (head, *lines_of(model, depth=1))
