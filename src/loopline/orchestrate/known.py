"""What the loop already knows of: contents that were learned, chosen, labelled; so that nothing is asked twice."""

from loopline.dataset import stage as dataset
from loopline.errors import NotFound
from loopline.orchestrate.installation import Installation
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
    return frozenset(dataset.rows_of(version, objects=house.objects).content)


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


def asked(house: Installation) -> frozenset[str]:
    """Content digests that were selected before, or labelled before in any stratum, or learned, or are the anchor's."""
    chosen = {one.content for s in house.ledger.all(Selection, house.settings.name) for one in s.candidates}
    return frozenset(chosen) | answered(house) | anchored(house)


def anchored(house: Installation) -> frozenset[str]:
    """Content digests of the anchor's rows: they judge every challenger, so none may learn them."""
    anchors = house.ledger.all(Anchor, house.settings.name)
    return dataset.anchor_contents(anchors[-1], objects=house.objects) if anchors else frozenset()


def answered(house: Installation) -> frozenset[str]:
    """Content digests that are learned or labelled."""
    versions = datasets(house)
    base = learned(house, versions[-1]) if versions else frozenset[str]()
    return base | {str(label.content) for batch in batches(house) for label in batch.labels}


def fresh(house: Installation) -> tuple[Label, ...]:
    """The labelled fresh part of the reserve: one label a content, the latest."""
    latest = {label.content: label for b in batches(house) for label in b.labels if label.stratum == "reserve"}
    return tuple(latest[content] for content in sorted(latest))


def model(house: Installation, name: str) -> ModelVersion:
    """The model version of this name. Raises NotFound."""
    return house.ledger.get(ModelVersion, name, loop=house.settings.name)
