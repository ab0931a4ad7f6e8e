"""The wall between what is learned and what judges, for one house: near duplicates do not stand on both sides."""

from collections.abc import Sequence

from loopline.dataset import stage as dataset
from loopline.dataset.leakage import Rows, closed, of_reserve, of_table, search
from loopline.dataset.merge import TRAINABLE
from loopline.orchestrate import known
from loopline.orchestrate.installation import Installation
from loopline.records.dataset import Anchor, DatasetVersion
from loopline.records.label import LabelBatch
from loopline.records.leak import Leakage

COLUMNS = ("content", "inputs", "sample", "cycle")


def barred(house: Installation, parent: DatasetVersion, *, batches: Sequence[LabelBatch]) -> frozenset[str]:
    """Content digests that the next version may not hold: the reserve's, and those of rows that nearly are in it."""
    older = dataset.rows_of(parent, objects=house.objects, columns=("content", "inputs"))
    rows = dict(zip(older["content"].to_pylist(), older["inputs"].to_pylist(), strict=True))
    rows |= {one.content: one.inputs for batch in batches for one in batch.labels if one.stratum in TRAINABLE}
    sealed = house.roles.reserved(house.settings.name)
    return closed(rows, reserve=_reserve(house), signature=house.settings.signature, sealed=sealed)


def leakage(house: Installation, version: DatasetVersion) -> tuple[frozenset[str], Leakage]:
    """The contents of a version, and what of it tells of the rows that judge."""
    table = dataset.rows_of(version, objects=house.objects, columns=COLUMNS)
    found = search(of_table(table), reserve=_reserve(house), signature=house.settings.signature, cut=version.cycle)
    return frozenset(table["content"].to_pylist()), found.leakage


def _reserve(house: Installation) -> Rows:
    anchors = house.ledger.all(Anchor, house.settings.name)
    rows = dataset.anchor_rows(anchors[-1], objects=house.objects) if anchors else ()
    return of_reserve(known.fresh(house), anchor=rows)
