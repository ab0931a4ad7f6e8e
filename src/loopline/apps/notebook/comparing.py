"""Two versions side by side."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from loopline.apps.notebook.difference import COMPARED, difference
from loopline.apps.notebook.library import Library
from loopline.dataset.parity import require_parity
from loopline.errors import InvalidRecord
from loopline.records.dataset import DatasetVersion
from loopline.records.signature import Signature

SHOWN = 60
"""Characters of an input."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One class in both versions."""

    label: str
    before: int
    now: int
    share_before: float
    """In [0, 1]; 0 for a version without rows."""
    share_now: float


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """From one version to another."""

    before: str
    now: str
    added: int
    removed: int
    relabelled: int
    balance: tuple[Share, ...]
    added_examples: list[dict[str, Any]]
    """The first by content: sample, content, label, input."""
    removed_examples: list[dict[str, Any]]
    relabelled_examples: list[dict[str, Any]]
    """With the label ``before``."""


def compared(library: Library, before: DatasetVersion, now: DatasetVersion, *, examples: int) -> Changes:
    """What changed from one version to the other. Raises InvalidRecord for versions of two signatures, naming both."""
    older, newer = library.manifest(before), library.manifest(now)
    require_parity(f"dataset {before.name} against {now.name}", found=older.signature, expected=newer.signature)
    found = difference(library.rows(before, *COMPARED), library.rows(now, *COMPARED))
    firsts = [_told(table, newer.signature, most=examples) for table in found]
    return Changes(
        before=before.name, now=now.name, added=found.added.num_rows, removed=found.removed.num_rows,
        relabelled=found.relabelled.num_rows,
        balance=tuple(_share(label, older.by_class, newer.by_class) for label in newer.signature.labels),
        added_examples=firsts[0], removed_examples=firsts[1], relabelled_examples=firsts[2],
    )  # fmt: skip


def _share(label: str, older: dict[str, int], newer: dict[str, int]) -> Share:
    before, now = older.get(label, 0), newer.get(label, 0)
    parts = [n / max(1, sum(counts.values())) for n, counts in ((before, older), (now, newer))]
    return Share(label=label, before=before, now=now, share_before=parts[0], share_now=parts[1])


def _told(table: pa.Table, signature: Signature, *, most: int) -> list[dict[str, Any]]:
    rows: Sequence[dict[str, Any]] = table.slice(0, most).to_pylist()
    return [
        {name: value for name, value in row.items() if name != "inputs"} | {"input": _shown(row["inputs"], signature)}
        for row in rows
    ]


def _shown(inputs: bytes, signature: Signature) -> str:
    """The input in one line, cut."""
    if signature.input == "image":
        return f"an image of {len(inputs):,} bytes"
    try:
        text = str(signature.decode(inputs))
    except InvalidRecord:
        return "unreadable"
    flat = "".join(mark if mark.isprintable() else " " for mark in text)
    return flat if len(flat) <= SHOWN else f"{flat[: SHOWN - 1]}\u2026"
