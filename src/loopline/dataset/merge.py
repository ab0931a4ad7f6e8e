"""A parent version and a batch of labels become the rows of the next version."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loopline.dataset.table import LabelledSample, LabelledTable, tabled, taken
from loopline.errors import InvalidRecord
from loopline.records.label import Label

TRAINABLE = frozenset({"chosen", "audit"})
"""The strata that may be learned from. Reserve labels judge, gold checks people: neither ever enters."""


class Learnable(NamedTuple):
    """What of a batch may enter a dataset."""

    samples: tuple[LabelledSample, ...]
    """By content, each content once."""
    sealed: int
    """Chosen or audit labels left out because the reserve, rolling or fixed, holds the same content."""


def learnable(labels: Sequence[Label], *, allowed: tuple[str, ...], anchor: frozenset[str] = frozenset()) -> Learnable:
    """The chosen and audit labels whose content neither a reserve label of the batch nor the ``anchor`` shares.

    Of several labels for one content the surest stands, then the earliest sample. Raises InvalidRecord, naming the
    sample, for a label that is not ``allowed``.
    """
    closed = anchor | {label.content for label in labels if label.stratum == "reserve"}
    entering = [label for label in labels if label.stratum in TRAINABLE]
    best: dict[str, Label] = {}
    for label in sorted(entering, key=lambda one: (-max(one.posterior, default=0.0), one.sample)):
        if label.label not in allowed:
            expected = f"one of {', '.join(allowed)}"
            raise InvalidRecord(f"sample {label.sample}", found=f"label {label.label!r}", expected=expected)
        best.setdefault(label.content, label)
    kept = (
        LabelledSample(content, one.inputs, one.label, one.sample, one.cycle, one.stratum)
        for content, one in sorted(best.items())
        if content not in closed
    )
    return Learnable(tuple(kept), sealed=sum(label.content in closed for label in entering))


class Merged(NamedTuple):
    """The rows of the next version, and what is new in them."""

    table: LabelledTable
    added: int
    """Contents that the parent does not hold."""
    relabelled: tuple[tuple[str, str, str], ...]
    """(sample, label before, label now) of contents whose label changed, by content."""
    confirmed: int
    """Contents that the parent holds with the same label."""
    dropped: int
    """Rows of the parent whose content is the anchor's."""


def merged(parent: LabelledTable, fresh: Sequence[LabelledSample], *, anchor: frozenset[str] = frozenset()) -> Merged:
    """Parent and fresh samples, sorted by content, each content once: the fresh label wins; the anchor's go.

    ``fresh`` holds each content once, none of the anchor. The result does not depend on the order of either.
    """
    new = {sample.content: sample for sample in fresh}
    before = dict(zip(parent.content.tolist(), parent.label.tolist(), strict=True))
    known = [sample for content, sample in sorted(new.items()) if content in before]
    changed = tuple((s.sample, before[s.content], s.label) for s in known if s.label != before[s.content])
    stays = np.flatnonzero([content not in new and content not in anchor for content in before])
    pairs = zip(taken(parent, stays), tabled(list(new.values())), strict=True)
    table = LabelledTable._make(np.concatenate(pair) for pair in pairs)
    in_order = taken(table, np.argsort(table.content, kind="stable"))
    return Merged(in_order, len(new) - len(known), changed, len(known) - len(changed), len(anchor & before.keys()))


def sentence(name: str, parent: str, merge: Merged, *, sealed: int) -> str:
    """``c3 = c2 + 140 new rows, 3 relabelled (p9: neutral to negative, ...), 2 confirmed``."""
    parts = [f"{merge.added:,} new {'row' if merge.added == 1 else 'rows'}"]
    if merge.relabelled:
        first = [f"{sample}: {before} to {now}" for sample, before, now in merge.relabelled[:3]]
        shown = ", ".join(first + ["..."] * (len(merge.relabelled) > 3))
        parts.append(f"{len(merge.relabelled):,} relabelled ({shown})")
    if merge.confirmed:
        parts.append(f"{merge.confirmed:,} confirmed")
    if sealed:
        parts.append(f"{sealed:,} left out because the reserve holds the same input")
    if merge.dropped:
        parts.append(f"{merge.dropped:,} taken out because the anchor holds the same input")
    return f"{name} = {parent} + {', '.join(parts)}"
