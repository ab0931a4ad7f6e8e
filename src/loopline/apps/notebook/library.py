"""The dataset versions of a loop, by name and by tag."""

from datetime import datetime
from typing import Protocol

import pyarrow as pa

from loopline.apps.worker.dataset import Dataset
from loopline.dataset.manifest import Manifest
from loopline.dataset.merge import TRAINABLE
from loopline.dataset.reading import conflicts_of, manifest_of, rows_of
from loopline.dataset.table import IMPORTED
from loopline.errors import InvalidRecord, NotFound
from loopline.ports.ledger import Ledger
from loopline.ports.object_store import ObjectStore
from loopline.records.dataset import Conflict, DatasetVersion, Tag
from loopline.records.lineage import Activity
from loopline.records.settings import Settings


class Shelves(Protocol):
    """The rooms that a library looks into."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Every stored record, with its lineage."""
        ...

    @property
    def objects(self) -> ObjectStore:
        """Bytes by their digest."""
        ...


class Library:
    """Reads what is stored at each call; holds nothing itself."""

    def __init__(self, house: Shelves) -> None:
        self._house, self.loop = house, house.settings.name

    @property
    def versions(self) -> tuple[DatasetVersion, ...]:
        """Every version, newest first."""
        return self._house.ledger.all(DatasetVersion, self.loop)[::-1]

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Every tag, by name."""
        return tuple(sorted(self._house.ledger.all(Tag, self.loop), key=lambda tag: tag.name))

    def tags_of(self, version: DatasetVersion) -> tuple[str, ...]:
        """The names that people gave to this version."""
        return tuple(tag.name for tag in self.tags if tag.dataset == version.id)

    def find(self, name: str) -> DatasetVersion:
        """The version of this name, or with this tag. Raises NotFound, naming those there are."""
        versions, tags = self.versions, self.tags
        ids = {tag.dataset for tag in tags if tag.name == name}
        for version in versions:
            if version.name == name or version.id in ids:
                return version
        known = (*(version.name for version in versions), *(tag.name for tag in tags))
        raise NotFound("dataset version", name, known=known)

    def parent(self, version: DatasetVersion) -> DatasetVersion | None:
        """The version that it was made of; None for the base."""
        return next((one for one in self.versions if one.id == version.parent), None)

    def manifest(self, version: DatasetVersion) -> Manifest:
        """What identifies it. Raises NotFound, Unavailable or InvalidRecord when the store no longer holds it."""
        return manifest_of(version, objects=self._house.objects)

    def written(self, version: DatasetVersion) -> bytes:
        """The bytes of its manifest, whose BLAKE3 is its id."""
        return self._house.objects.get(version.id)

    def rows(self, version: DatasetVersion, *columns: str) -> pa.Table:
        """Its rows, sorted by content: of these columns, or all."""
        return rows_of(version, objects=self._house.objects, **({"columns": columns} if columns else {}))

    def conflicts(self, version: DatasetVersion) -> tuple[Conflict, ...]:
        """The contradicting labels that were settled when it was cut, by content."""
        return conflicts_of(version, objects=self._house.objects)

    def dataset(self, version: DatasetVersion) -> Dataset:
        """Its rows as a trainer sees them. Raises InvalidRecord if one were of a stratum that nobody may learn."""
        table = self.rows(version)
        strange = sorted(set(table["stratum"].unique().to_pylist()) - {IMPORTED, *TRAINABLE})
        if strange:
            raise InvalidRecord(f"dataset {version.name}", found=f"rows of {', '.join(strange)}", expected="none")
        return Dataset(table, signature=self.manifest(version).signature, version=version)

    def made_by(self, version: DatasetVersion) -> tuple[str, datetime] | None:
        """Who made it, and when that ended; None when the run graph does not tell."""
        found: Activity | None = None
        for activity in self._house.ledger.activities(self.loop):
            found = activity if f"dataset:{version.name}" in activity.generated else found
        return (found.actor, found.ended) if found else None
