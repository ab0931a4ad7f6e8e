"""What makes a dataset version itself: a few lines of canonical JSON, whose hash is its id."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from blake3 import blake3

from loopline.dataset.parts import Contents
from loopline.errors import InvalidRecord
from loopline.records.dataset import DatasetVersion, Provenance
from loopline.records.ids import Digest, LoopName
from loopline.records.signature import Signature

SCHEMA_VERSION = 2


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that identifies a version; no time, so that the same rows of the same descent are the same version."""

    schema: int = SCHEMA_VERSION
    loop: LoopName
    cycle: int
    parent: Digest | None
    held: Contents
    rows: int
    by_class: dict[str, int]
    signature: Signature
    """In full, so that a mismatch can be named."""
    method: str
    selection: str
    added: int = 0
    relabelled: int = 0
    conflicts: Digest | None = None
    """The conflicts object; None when nothing contradicted."""
    provenance: Provenance | None = None
    """Of an imported base."""


class Cut(NamedTuple):
    """A version, and by what it differs from its parent."""

    version: DatasetVersion
    added: tuple[str, ...]
    """Contents of the rows that it wrote, all chosen or audit: new, relabelled and confirmed, sorted."""
    removed: tuple[str, ...]
    """Contents of its parent that it does not hold, sorted."""


def encoded(manifest: Manifest) -> bytes:
    """The manifest's canonical bytes: JSON with sorted keys."""
    return msgspec.json.encode(manifest, order="sorted")


def decoded(content: bytes) -> Manifest:
    """The manifest behind its bytes; one of schema 1 names a single file. Raises InvalidRecord when they are none."""
    expected = f"the fields of schema {SCHEMA_VERSION}"
    try:
        fields = msgspec.json.decode(content, type=dict[str, Any])
        if (found := fields.get("schema", 0)) > SCHEMA_VERSION:
            remedy = "a newer Loopline wrote it: update this one"
            raise InvalidRecord("dataset manifest", found=f"schema {found}", expected=expected, remedy=remedy)
        if found == 1:
            fields["held"] = {"parts": [{name: fields[name] for name in ("file", "rows", "cycle")}]}
        return msgspec.convert(fields, Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise InvalidRecord("dataset manifest", found=str(error), expected=expected) from error


def identity(content: bytes) -> Digest:
    """The version's id: hex BLAKE3 of the manifest's bytes."""
    return Digest(blake3(content).hexdigest())


def version_of(
    manifest: Manifest, *, cut_at: datetime, reason: str, removed: int = 0, conflicts: int = 0
) -> DatasetVersion:
    """The record of the version that this manifest identifies; named ``c`` and the cycle's number."""
    held = manifest.held.parts
    sizes = [part.size for part in held]
    return DatasetVersion(
        id=identity(encoded(manifest)), name=f"c{manifest.cycle}", loop=manifest.loop, cycle=manifest.cycle,
        parent=manifest.parent, file=held[-1].file, signature=manifest.signature.digest, rows=manifest.rows,
        added=manifest.added, relabelled=manifest.relabelled, by_class=manifest.by_class, method=manifest.method,
        selection=manifest.selection, cut_at=cut_at, reason=reason, parts=tuple(part.file for part in held),
        size=sum(sizes) if all(sizes) else 0, removed=removed, conflicts=conflicts,
    )  # fmt: skip
