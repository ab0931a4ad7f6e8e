"""What a version holds, read back."""

from collections.abc import Sequence

import pyarrow as pa

from loopline.dataset import conflicts, manifest, parts
from loopline.dataset.manifest import Manifest
from loopline.dataset.parts import Source
from loopline.dataset.table import ALL
from loopline.records.dataset import Conflict, DatasetVersion


def manifest_of(version: DatasetVersion, *, objects: Source) -> Manifest:
    """What identifies a version. Raises NotFound, and InvalidRecord for bytes that are no manifest."""
    return manifest.decoded(objects.get(version.id))


def rows_of(version: DatasetVersion, *, objects: Source, columns: Sequence[str] = ALL) -> pa.Table:
    """These columns, ``content`` among them, of a version's rows, sorted by content."""
    return parts.read(manifest_of(version, objects=objects).held, objects=objects, columns=columns)


def conflicts_of(version: DatasetVersion, *, objects: Source) -> tuple[Conflict, ...]:
    """The contradicting labels that were settled when a version was cut, by content."""
    return conflicts.read(manifest_of(version, objects=objects).conflicts, objects=objects)
