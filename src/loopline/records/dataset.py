"""Immutable versions of labelled rows."""

from datetime import datetime

import msgspec

from loopline.records.ids import Digest, LoopName


class DatasetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest whose content hash is its identity."""

    id: Digest
    """BLAKE3 of the manifest: parent, parts, signature, method, selection."""
    name: str
    """``c0`` is the imported base, ``c7`` what cycle 7 left behind."""
    loop: LoopName
    cycle: int
    parent: Digest | None
    file: Digest
    """The newest part: a Parquet object of columns inputs, content, label, weight, sample, cycle, stratum."""
    signature: Digest
    rows: int
    added: int
    """Rows that the parent does not hold."""
    relabelled: int
    """Rows whose label differs from the parent's; the new one won."""
    by_class: dict[str, int]
    method: str
    """How labels were derived: ``imported``, ``dawid-skene.v1``."""
    selection: str
    """The selection whose samples were added; empty for the base."""
    cut_at: datetime
    """UTC. The evaluation cut: later labels are not in it."""
    reason: str
    parts: tuple[Digest, ...] = ()
    """Every part that it reads, oldest first; empty in versions of before there were any: ``file`` holds all rows."""
    size: int = 0
    """Bytes of those parts, which versions share; 0: not kept."""
    removed: int = 0
    """Rows of the parent that it no longer holds."""
    conflicts: int = 0
    """Contradicting labels that were settled when it was cut."""


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two labels of one content, and which of them stands."""

    content: Digest
    sample: str
    """The row whose label stands; of a tie, the first of its rows."""
    before: str
    """The label that does not stand."""
    now: str
    """The label that stands; empty: neither, the content was left out."""
    cycle_before: int
    """The cycle that gave the label which does not stand; 0: imported."""
    cycle: int
    method: str
    """How the label that stands was derived."""
    reason: str
    """The rule that settled it."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where the rows of an imported base come from, and what became of them: they add up to ``read``."""

    file: str
    """Its name, as in ``[train] base``, without folders."""
    digest: Digest
    """BLAKE3 of the rows as they were read, in the order of their ids."""
    read: int
    kept: int
    repeated: int
    """Rows whose input and label an earlier one has."""
    outvoted: int
    """Rows whose input most others label otherwise."""
    undecided: int
    """Rows whose input carries several labels equally often."""
    near: int = 0
    """Rows whose input nearly is one of the anchor's."""


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A name that people give to a dataset version; it may move, and says when it did."""

    name: str
    loop: LoopName
    version: str
    """Name of the dataset version: ``c7``."""
    dataset: Digest
    """Its id: a tag never comes to mean other rows."""
    at: datetime
    """UTC. When it was set."""


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """The fixed part of the reserve: labelled rows that never change, for comparability over time."""

    id: Digest
    """BLAKE3 of the rows object."""
    loop: LoopName
    rows: int
    signature: Digest


class LabelledRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row with a known label, as imported: base, anchor or gold."""

    id: str
    inputs: bytes
    label: str
