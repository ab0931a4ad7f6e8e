"""What makes a dataset version itself: a few lines of canonical JSON, whose hash is its id."""

from datetime import datetime

import msgspec
from blake3 import blake3

from loopline.dataset.table import IMPORTED, LabelledTable, by_class
from loopline.errors import InvalidRecord
from loopline.records.dataset import DatasetVersion
from loopline.records.ids import Digest, LoopName
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection
from loopline.records.settings import Settings
from loopline.records.signature import Signature


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that identifies a version; no time, so that the same rows of the same descent are the same version."""

    schema: int = 1
    loop: LoopName
    cycle: int
    parent: Digest | None
    file: Digest
    """The Parquet object."""
    rows: int
    by_class: dict[str, int]
    signature: Signature
    """In full, so that a mismatch can be named."""
    method: str
    selection: str


def begun(table: LabelledTable, *, file: Digest, settings: Settings) -> Manifest:
    """The manifest of the imported base, stored in ``file``."""
    return Manifest(
        loop=settings.name,
        cycle=0,
        parent=None,
        file=file,
        rows=len(table.content),
        by_class=by_class(table, settings.signature.labels),
        signature=settings.signature,
        method=IMPORTED,
        selection="",
    )


def continued(
    parent: Manifest, table: LabelledTable, *, file: Digest, batch: LabelBatch, selection: Selection
) -> Manifest:
    """The manifest of the version that this batch made of its parent, stored in ``file``."""
    return Manifest(
        loop=parent.loop,
        cycle=batch.cycle,
        parent=identity(parent),
        file=file,
        rows=len(table.content),
        by_class=by_class(table, parent.signature.labels),
        signature=parent.signature,
        method=batch.method,
        selection=selection.id,
    )


def encoded(manifest: Manifest) -> bytes:
    """The manifest's canonical bytes: JSON with sorted keys."""
    return msgspec.json.encode(manifest, order="sorted")


def decoded(content: bytes) -> Manifest:
    """The manifest behind its bytes. Raises InvalidRecord when they are none."""
    try:
        return msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise InvalidRecord("dataset manifest", found=str(error), expected="the fields of schema 1") from error


def identity(manifest: Manifest) -> Digest:
    """The version's id: hex BLAKE3 of the canonical bytes."""
    return Digest(blake3(encoded(manifest)).hexdigest())


def version_of(manifest: Manifest, *, added: int, relabelled: int, cut_at: datetime, reason: str) -> DatasetVersion:
    """The record of the version that this manifest identifies; named ``c`` and the cycle's number."""
    return DatasetVersion(
        id=identity(manifest),
        name=f"c{manifest.cycle}",
        loop=manifest.loop,
        cycle=manifest.cycle,
        parent=manifest.parent,
        file=manifest.file,
        signature=manifest.signature.digest,
        rows=manifest.rows,
        added=added,
        relabelled=relabelled,
        by_class=manifest.by_class,
        method=manifest.method,
        selection=manifest.selection,
        cut_at=cut_at,
        reason=reason,
    )
