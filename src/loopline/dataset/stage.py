"""Labels and a parent version become the next version; the imported base is the first."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import structs

from loopline.dataset import anchors, conflicts, intake, manifest, merge, parts
from loopline.dataset.anchors import anchor_contents, anchor_rows
from loopline.dataset.leakage import apart
from loopline.dataset.manifest import Cut, Manifest
from loopline.dataset.parity import require_parity
from loopline.dataset.reading import conflicts_of, manifest_of, rows_of
from loopline.dataset.table import IMPORTED, by_class, tabled
from loopline.ports.object_store import ObjectStore
from loopline.records.cycle import Cycle
from loopline.records.dataset import Anchor, DatasetVersion, LabelledRow
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection
from loopline.records.settings import Settings

__all__ = ["Cut", "anchor_contents", "anchor_rows", "conflicts_of", "cut", "import_base", "manifest_of", "rows_of"]


def import_base(
    base: Sequence[LabelledRow], *, anchor: Sequence[LabelledRow], settings: Settings, objects: ObjectStore,
    now: datetime,
) -> tuple[DatasetVersion, Anchor | None]:  # fmt: skip
    """Version ``c0`` of the rows that the user brought, and the anchor, if there is one.

    Raises InvalidRecord for a row that does not fit the signature, and for a base row that is also in the anchor.
    """
    held = intake.taken_in(anchor, signature=settings.signature, what="anchor")
    kept, near = apart(intake.taken_in(base, signature=settings.signature, what="base"), held, settings.signature)
    table = tabled(kept.samples)
    first = Manifest(
        loop=settings.name, cycle=0, parent=None, rows=table.num_rows, added=table.num_rows,
        held=parts.Contents(parts=(parts.written(table, cycle=0, objects=objects),)),
        by_class=by_class(table, settings.signature.labels), signature=settings.signature, method=IMPORTED,
        selection="", conflicts=conflicts.stored(kept.conflicts, objects=objects),
        provenance=intake.provenance_of(kept, base, file=settings.train.base),
    )  # fmt: skip
    objects.put(manifest.encoded(first))
    reason = "; ".join(filter(None, (intake.sentence(kept, rows=len(base), anchor=len(held.samples)), near)))
    version = manifest.version_of(first, cut_at=now, reason=reason, conflicts=len(kept.conflicts))
    return version, anchors.stored(held.samples, settings=settings, objects=objects) if held.samples else None


def cut(  # noqa: PLR0913  stage recipes take their ports by name
    cycle: Cycle, *, parent: DatasetVersion, batch: LabelBatch, selection: Selection,
    anchor: frozenset[str] = frozenset(), unlearnable: frozenset[str] = frozenset(), objects: ObjectStore,
    settings: Settings, now: datetime,
) -> Cut:  # fmt: skip
    """The parent's rows with the batch's labels that may be learned, new over old.

    No content of the ``anchor`` stays, and none that is ``unlearnable`` since nobody can say one label. Raises
    InvalidRecord when the parent was made under another signature, or for a label outside it.
    """
    before = manifest_of(parent, objects=objects)
    require_parity(f"dataset {parent.name}", found=before.signature, expected=settings.signature)
    clear = structs.replace(batch, labels=tuple(one for one in batch.labels if one.content not in unlearnable))
    entering = merge.learnable(clear, allowed=settings.signature.labels, anchor=anchor)
    older = rows_of(parent, objects=objects, columns=merge.KEYS)
    made = merge.merged(older, entering.samples, method=batch.method, anchor=anchor | unlearnable)
    counts, settled = made.grown(before.by_class), (*made.relabelled, *entering.outdone)
    rows, gone = sum(counts.values()), made.dropped
    after = Manifest(
        loop=before.loop, cycle=batch.cycle, parent=parent.id, rows=rows, added=made.added,
        held=parts.grown(before.held, made.table, dropped=gone, rows=rows, cycle=cycle.number, objects=objects),
        relabelled=len(made.relabelled), by_class=counts, signature=before.signature, method=batch.method,
        selection=selection.id, conflicts=conflicts.stored(settled, objects=objects),
    )  # fmt: skip
    objects.put(manifest.encoded(after))
    name, unclear = f"c{cycle.number}", unlearnable - anchor
    reason = merge.sentence(name, parent.name, made, sealed=entering.sealed, unlearnable=unclear)
    version = manifest.version_of(after, cut_at=now, reason=reason, removed=len(gone), conflicts=len(settled))
    return Cut(version, added=tuple(made.table["content"].to_pylist()), removed=gone)
