"""A version held against its manifest, object by object."""

from collections.abc import Iterator

import msgspec
from blake3 import blake3

from loopline.apps.notebook.library import Library, Shelves
from loopline.apps.notebook.proof import flaws
from loopline.dataset import manifest as manifests
from loopline.dataset import parquet
from loopline.dataset.intake import Intake, provenance_of
from loopline.dataset.manifest import Manifest
from loopline.dataset.parts import living
from loopline.errors import InvalidRecord, LooplineError
from loopline.records.dataset import DatasetVersion, LabelledRow


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was recomputed and found to be as it was written."""

    version: str
    id: str
    parts: int
    rows: int
    size: int
    """Bytes read."""
    source: str = ""
    """Of a base: whether its file still holds the same rows; empty when that was not looked at."""


def verified(house: Shelves, version: DatasetVersion) -> Proof:
    """The proof that a version is whole: every digest recomputed, every row read.

    Raises InvalidRecord, naming every flaw that was found: an object that is gone or no longer what was written, rows
    that are not what the manifest says, a record that says otherwise.
    """
    found = list(_flaws(house, version))
    if found:
        remedy = "restore the objects that are named from a copy; no other version is changed by that"
        raise InvalidRecord(
            f"dataset {version.name}", found="; ".join(found), expected="a whole version", remedy=remedy
        )
    made = Library(house).manifest(version)
    size = sum(len(house.objects.get(part.file)) for part in made.held.parts)
    return Proof(version=version.name, id=version.id, parts=len(made.held.parts), rows=made.rows, size=size)


def _flaws(house: Shelves, version: DatasetVersion) -> Iterator[str]:
    try:
        content = house.objects.get(version.id)
        made = manifests.decoded(content)
    except LooplineError as error:
        yield f"its manifest: {error}"
        return
    if (found := blake3(content).hexdigest()) != version.id:
        yield f"its manifest has the digest {found[:12]}"
    yield from _record_flaws(version, made)
    yield from _part_flaws(house, made)
    try:
        Library(house).conflicts(version)
    except LooplineError as error:
        yield f"its conflicts: {error}"


def _part_flaws(house: Shelves, made: Manifest) -> Iterator[str]:
    tables = []
    for number, part in enumerate(made.held.parts, start=1):
        thing = f"part {number} of {len(made.held.parts)}"
        try:
            content = house.objects.get(part.file)
            tables.append(parquet.decoded(content, thing=f"object {part.file}"))
        except LooplineError as error:
            yield f"{thing}: {error}"
            continue
        if blake3(content).hexdigest() != part.file:
            yield f"{thing}: not what its digest says"
        if tables[-1].num_rows != part.rows:
            yield f"{thing}: {tables[-1].num_rows:,} rows, expected {part.rows:,}"
    if len(tables) == len(made.held.parts):
        yield from flaws(living(tables, removed=made.held.removed), made)


def _record_flaws(version: DatasetVersion, made: Manifest) -> Iterator[str]:
    said = manifests.version_of(made, cut_at=version.cut_at, reason=version.reason)
    for name in ("name", "loop", "cycle", "parent", "signature", "rows", "by_class", "method", "selection"):
        if getattr(said, name) != getattr(version, name):
            yield f"its record says {name} {getattr(version, name)}, its manifest {getattr(said, name)}"


def source_of(made: Manifest, rows: tuple[LabelledRow, ...]) -> str:
    """Whether the file that a base was imported from still holds the same rows, in words."""
    if made.provenance is None:
        return ""
    now = provenance_of(Intake((), 0, 0, 0), rows, file=made.provenance.file).digest
    same = (
        "still holds the rows that were imported" if now == made.provenance.digest else "has changed since the import"
    )
    return f"{made.provenance.file} {same}"
