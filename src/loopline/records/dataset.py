"""Immutable versions of labelled rows."""

from datetime import datetime

import msgspec

from loopline.records.ids import Digest, LoopName


class DatasetVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest whose content hash is its identity."""

    id: Digest
    """BLAKE3 of the manifest: parent, file, signature, method, selection."""
    name: str
    """``c0`` is the imported base, ``c7`` what cycle 7 left behind."""
    loop: LoopName
    cycle: int
    parent: Digest | None
    file: Digest
    """The Parquet object: columns inputs, content, label, weight, sample, cycle, stratum."""
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
