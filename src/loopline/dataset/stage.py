"""Labels and a parent version become the next version; the imported base is the first."""

from collections.abc import Sequence
from datetime import datetime

from blake3 import blake3

from loopline.dataset import anchors, intake, manifest, merge, parquet
from loopline.dataset.leakage import require_no_leaks
from loopline.dataset.parity import require_parity
from loopline.dataset.table import LabelledTable, tabled
from loopline.ports.object_store import ObjectStore
from loopline.records.cycle import Cycle
from loopline.records.dataset import Anchor, DatasetVersion, LabelledRow
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection
from loopline.records.settings import Settings


def import_base(
    base: Sequence[LabelledRow], *, anchor: Sequence[LabelledRow], settings: Settings,
    objects: ObjectStore, now: datetime,
) -> tuple[DatasetVersion, Anchor | None]:  # fmt: skip
    """Version ``c0`` of the rows that the user brought, and the anchor, if there is one.

    Raises InvalidRecord for a row that does not fit the signature, and for a base row that is also in the anchor.
    """
    kept = intake.taken_in(base, signature=settings.signature, what="base")
    held = intake.taken_in(anchor, signature=settings.signature, what="anchor")
    require_no_leaks(((s.content, s.sample) for s in kept.samples), ((s.content, s.sample) for s in held.samples))
    table = tabled(kept.samples)
    first = manifest.begun(table, file=objects.put(parquet.encoded(table)), settings=settings)
    objects.put(manifest.encoded(first))
    reason = intake.sentence(kept, rows=len(base), anchor=len(held.samples))
    version = manifest.version_of(first, added=first.rows, relabelled=0, cut_at=now, reason=reason)
    if not held.samples:
        return version, None
    held_id, signature = objects.put(anchors.encoded(held.samples)), settings.signature.digest
    return version, Anchor(id=held_id, loop=settings.name, rows=len(held.samples), signature=signature)


def cut(  # noqa: PLR0913  stage recipes take their ports by name
    cycle: Cycle,
    *,
    parent: DatasetVersion,
    batch: LabelBatch,
    selection: Selection,
    anchor: frozenset[str] = frozenset(),
    objects: ObjectStore,
    settings: Settings,
    now: datetime,
) -> DatasetVersion:
    """The parent's rows with the batch's chosen and audit labels, new over old; no content of the ``anchor`` stays.

    Raises InvalidRecord when the parent was made under another signature, or for a label outside it.
    """
    before = manifest.decoded(objects.get(parent.id))
    require_parity(f"dataset {parent.name}", found=before.signature, expected=settings.signature)
    entering = merge.learnable(batch.labels, allowed=settings.signature.labels, anchor=anchor)
    made = merge.merged(rows_of(parent, objects=objects), entering.samples, anchor=anchor)
    file = objects.put(parquet.encoded(made.table))
    after = manifest.continued(before, made.table, file=file, batch=batch, selection=selection)
    objects.put(manifest.encoded(after))
    reason = merge.sentence(f"c{cycle.number}", parent.name, made, sealed=entering.sealed)
    return manifest.version_of(after, added=made.added, relabelled=len(made.relabelled), cut_at=now, reason=reason)


def rows_of(version: DatasetVersion, *, objects: ObjectStore) -> LabelledTable:
    """The rows of a version, sorted by content."""
    return parquet.decoded(objects.get(version.file))


def anchor_rows(anchor: Anchor, *, objects: ObjectStore) -> tuple[LabelledRow, ...]:
    """The rows of an anchor, sorted by content."""
    return anchors.decoded(objects.get(anchor.id))


def anchor_contents(anchor: Anchor, *, objects: ObjectStore) -> frozenset[str]:
    """Content digests of the rows of an anchor."""
    return frozenset(blake3(row.inputs).hexdigest() for row in anchor_rows(anchor, objects=objects))
