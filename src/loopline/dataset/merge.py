"""A parent version and a batch of labels become the rows that the next version adds and takes away.

The rules: what the reserve holds never enters, and leaves when it is in; of several labels that a batch gives to one
content the surest stands; a new label stands over an old one. Every label that does not stand is a conflict on record.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from loopline.dataset.conflicts import NEW, SUREST
from loopline.dataset.parts import within
from loopline.dataset.table import LabelledSample, tabled
from loopline.errors import InvalidRecord
from loopline.records.dataset import Conflict
from loopline.records.ids import Digest
from loopline.records.label import Label, LabelBatch

TRAINABLE = frozenset({"chosen", "audit", "relabel"})
"""The strata that may be learned from. Reserve labels judge, gold checks people: neither ever enters."""
KEYS = ("content", "label", "cycle")
"""What of the parent a merge looks at."""


class Learnable(NamedTuple):
    """What of a batch may enter a dataset."""

    samples: tuple[LabelledSample, ...]
    """By content, each content once."""
    sealed: int
    """Of these, labels left out because the reserve, rolling or fixed, holds the same content."""
    outdone: tuple[Conflict, ...]
    """Labels of the batch that a surer one of the same content contradicts."""


def learnable(batch: LabelBatch, *, allowed: tuple[str, ...], anchor: frozenset[str] = frozenset()) -> Learnable:
    """The labels that may be learned whose content neither a reserve label of the batch nor the ``anchor`` shares.

    Of several labels for one content that of the latest cycle stands, then the surest, then the earliest sample. Raises
    InvalidRecord, naming the sample, for a label that is not ``allowed``.
    """
    closed = anchor | {label.content for label in batch.labels if label.stratum == "reserve"}
    entering = [label for label in batch.labels if label.stratum in TRAINABLE]
    best: dict[str, Label] = {}
    outdone = []
    for label in sorted(entering, key=lambda one: (-one.cycle, -max(one.posterior, default=0.0), one.sample)):
        if label.label not in allowed:
            expected = f"one of {', '.join(allowed)}"
            raise InvalidRecord(f"sample {label.sample}", found=f"label {label.label!r}", expected=expected)
        stands = best.setdefault(label.content, label)
        if label.label != stands.label and label.content not in closed:
            why = SUREST if label.cycle == stands.cycle else NEW
            outdone.append(_conflict(_row(stands), label.label, label.cycle, method=batch.method, reason=why))
    kept = tuple(_row(one) for content, one in sorted(best.items()) if content not in closed)
    return Learnable(kept, sum(label.content in closed for label in entering), tuple(outdone))


def _row(label: Label) -> LabelledSample:
    return LabelledSample(label.content, label.inputs, label.label, label.sample, label.cycle, label.stratum)


def _conflict(stands: LabelledSample, before: str, cycle: int, *, method: str, reason: str) -> Conflict:
    return Conflict(
        content=Digest(stands.content), sample=stands.sample, before=before, now=stands.label,
        cycle_before=cycle, cycle=stands.cycle, method=method, reason=reason,
    )  # fmt: skip


class Merged(NamedTuple):
    """What the next version adds to its parent and takes from it."""

    table: pa.Table
    """The rows that it writes: new, relabelled and confirmed, sorted by content."""
    added: int
    """Contents that the parent does not hold."""
    relabelled: tuple[Conflict, ...]
    """Contents whose label changed, by content."""
    confirmed: int
    """Contents that the parent holds with the same label."""
    dropped: tuple[str, ...]
    """Contents of the parent that may not be in it, sorted."""
    growth: Mapping[str, int]
    """By how many rows each class grows; negative where it shrinks."""

    def grown(self, by_class: Mapping[str, int]) -> dict[str, int]:
        """Rows of each class, when the parent has these."""
        return {label: n + self.growth.get(label, 0) for label, n in by_class.items()}


def merged(
    parent: pa.Table, fresh: Sequence[LabelledSample], *, method: str = "", anchor: frozenset[str] = frozenset()
) -> Merged:
    """What of the ``parent`` (content, label, cycle) changes by the fresh samples: their label stands; the anchor's go.

    ``fresh`` holds each content once, none of the anchor. The result does not depend on the order of either.
    """
    entering = sorted(fresh)
    known = within(parent, pa.array([sample.content for sample in entering], pa.string()))
    before = {row["content"]: row for row in known.to_pylist()}
    changed = tuple(
        _conflict(sample, old["label"], old["cycle"], method=method, reason=NEW)
        for sample in entering
        if (old := before.get(sample.content)) and old["label"] != sample.label
    )
    gone = within(parent, pa.array(sorted(anchor), pa.string())).to_pylist()
    growth: dict[str, int] = {}
    for label in (sample.label for sample in entering):
        growth[label] = growth.get(label, 0) + 1
    for row in (*before.values(), *gone):
        growth[row["label"]] = growth.get(row["label"], 0) - 1
    dropped = tuple(sorted(row["content"] for row in gone))
    added = len(entering) - len(before)
    return Merged(tabled(entering), added, changed, len(before) - len(changed), dropped, growth)


def sentence(name: str, parent: str, merge: Merged, *, sealed: int, unlearnable: frozenset[str] = frozenset()) -> str:
    """``c3 = c2 + 140 new rows, 3 relabelled (p9: neutral to negative, ...), 2 confirmed``."""
    parts = [f"{merge.added:,} new {'row' if merge.added == 1 else 'rows'}"]
    if merge.relabelled:
        first = [f"{one.sample}: {one.before} to {one.now}" for one in merge.relabelled[:3]]
        shown = ", ".join(first + ["..."] * (len(merge.relabelled) > 3))
        parts.append(f"{len(merge.relabelled):,} relabelled ({shown})")
    if merge.confirmed:
        parts.append(f"{merge.confirmed:,} confirmed")
    if sealed:
        parts.append(f"{sealed:,} left out because the reserve holds the same or nearly the same input")
    unclear = len(unlearnable & set(merge.dropped))
    if kept_apart := len(merge.dropped) - unclear:
        parts.append(f"{kept_apart:,} taken out because the reserve holds the same or nearly the same input")
    if unclear:
        parts.append(f"{unclear:,} taken out because an adjudicator found that no one label is right")
    return f"{name} = {parent} + {', '.join(parts)}"
