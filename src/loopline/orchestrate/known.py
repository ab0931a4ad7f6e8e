"""What the loop already knows of: contents that were learned, chosen, labelled; so that nothing is asked twice."""

import numpy as np

from loopline.dataset import stage as dataset
from loopline.errors import NotFound
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.throughput import WINDOW, Cap, capped, measured
from loopline.ports.strategy import Learned
from loopline.records.cycle import Cycle
from loopline.records.dataset import Anchor, DatasetVersion
from loopline.records.ids import VersionName
from loopline.records.label import Label, LabelBatch
from loopline.records.model import ModelVersion
from loopline.records.rollout import Rollout
from loopline.records.selection import Selection


def datasets(house: Installation) -> tuple[DatasetVersion, ...]:
    """Every dataset version, oldest first."""
    return house.ledger.all(DatasetVersion, house.settings.name)


def parent(house: Installation, cycle: Cycle) -> DatasetVersion:
    """The newest dataset version before this cycle's own. Raises NotFound when there is none."""
    before = [version for version in datasets(house) if version.cycle < cycle.number]
    if not before:
        raise NotFound("dataset version", f"before cycle {cycle.number}")
    return max(before, key=lambda version: version.cycle)


def dataset_of(house: Installation, cycle: Cycle) -> DatasetVersion:
    """The dataset version that this cycle trains on: its own cut, or the base set. Raises NotFound."""
    upto = [version for version in datasets(house) if version.cycle <= cycle.number]
    if not upto:
        raise NotFound("dataset version", f"for cycle {cycle.number}")
    return max(upto, key=lambda version: version.cycle)


def learned(house: Installation, version: DatasetVersion) -> frozenset[str]:
    """Content digests of the rows of a dataset version."""
    return frozenset(dataset.rows_of(version, objects=house.objects, columns=("content",))["content"].to_pylist())


def batches(house: Installation) -> tuple[LabelBatch, ...]:
    """Every batch of labels, oldest first."""
    return house.ledger.all(LabelBatch, house.settings.name)


def unlearned(house: Installation, parent: DatasetVersion, *, cycle: Cycle) -> tuple[LabelBatch, ...]:
    """The batches that the parent does not hold, this cycle's last: a cycle that failed before its cut left one."""
    return tuple(batch for batch in batches(house) if parent.cycle < batch.cycle <= cycle.number)


def live_since(house: Installation, version: VersionName) -> int:
    """The log position at which this version was promoted; 0 when it was never rolled out."""
    rollouts = house.ledger.all(Rollout, house.settings.name)
    return max((r.since_position for r in rollouts if r.challenger == version and r.state == "promoted"), default=0)


def asked(house: Installation, *, before: int) -> frozenset[str]:
    """Content digests that nobody is to be asked about in this cycle.

    Those that were selected, labelled in any stratum, learned, or sealed by a task in a cycle before, and the anchor's.
    """
    return (
        selected(house, before=before) | answered(house, before=before) | anchored(house) | sealed(house, before=before)
    )


def selected(house: Installation, *, before: int) -> frozenset[str]:
    """Content digests that a cycle before this one selected."""
    selections = (s for s in house.ledger.all(Selection, house.settings.name) if s.cycle < before)
    return frozenset(one.content for selection in selections for one in selection.candidates)


def sealed(house: Installation, *, before: int) -> frozenset[str]:
    """Content digests of the reserve rows that people were asked about in a cycle before this one."""
    cycles = (cycle.number for cycle in house.ledger.all(Cycle, house.settings.name) if cycle.number < before)
    asked_about = (house.book.answers(house.settings.name, cycle=number).tasks for number in cycles)
    return frozenset(str(task.content) for tasks in asked_about for task in tasks if task.stratum == "reserve")


def promoted(house: Installation, *, before: int) -> tuple[VersionName, ...]:
    """The versions that answered everything at some time before this cycle, oldest first."""
    rollouts = house.ledger.all(Rollout, house.settings.name)
    return tuple(r.challenger for r in rollouts if r.state == "promoted" and r.cycle < before)


def latest(house: Installation, *, before: int, most: int) -> Learned:
    """The samples that got their labels last, of those learned before this cycle."""
    versions = [version for version in datasets(house) if version.cycle < before]
    if not versions:
        return Learned((), ())
    rows = dataset.rows_of(versions[-1], objects=house.objects, columns=("content", "inputs", "label", "cycle"))
    is_last = np.zeros(rows.num_rows, np.bool_)
    is_last[np.argsort(rows["cycle"].to_numpy(), kind="stable")[-most:]] = True
    last = rows.filter(is_last)
    return Learned(last["inputs"].to_pylist(), last["label"].to_pylist())


def anchored(house: Installation) -> frozenset[str]:
    """Content digests of the anchor's rows: they judge every challenger, so none may learn them."""
    anchors = house.ledger.all(Anchor, house.settings.name)
    return dataset.anchor_contents(anchors[-1], objects=house.objects) if anchors else frozenset()


def answered(house: Installation, *, before: int) -> frozenset[str]:
    """Content digests that were learned or labelled in a cycle before this one."""
    versions = [version for version in datasets(house) if version.cycle < before]
    base = learned(house, versions[-1]) if versions else frozenset[str]()
    return base | {str(label.content) for batch in batches(house) if batch.cycle < before for label in batch.labels}


def fresh(house: Installation) -> tuple[Label, ...]:
    """The labelled fresh part of the reserve: one label a content, the latest."""
    latest = {label.content: label for b in batches(house) for label in b.labels if label.stratum == "reserve"}
    return tuple(latest[content] for content in sorted(latest))


def model(house: Installation, name: str) -> ModelVersion:
    """The model version of this name. Raises NotFound."""
    return house.ledger.get(ModelVersion, name, loop=house.settings.name)


def cap(house: Installation, cycle: Cycle, *, interval: float, asked: int) -> Cap:
    """What this cycle asks for: its budget, within people's pace and the week's cap."""
    loop, settings, throughput = house.settings.name, house.settings.select, None
    if settings.throughput:
        cycles = house.ledger.all(Cycle, loop)
        recent = [one for one in cycles if one.closed_at is None or one.closed_at > cycle.opened_at - WINDOW]
        batches = [house.book.answers(loop, cycle=one.number) for one in recent if one.number != cycle.number]
        throughput = measured(batches, now=cycle.opened_at)
    return capped(cycle.budget, settings=settings, throughput=throughput, cycle_seconds=interval, asked=asked)
