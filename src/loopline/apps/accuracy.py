"""How accurate the live model was, cycle by cycle: the table behind ``loopline accuracy`` and the page."""

import msgspec

from loopline.monitor.accuracy import Accuracy, accuracy, judged
from loopline.ports.ledger import Ledger
from loopline.records.ids import LoopName
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection

LAST = 5
"""Cycles read together as the latest."""


class AccuracyTable(msgspec.Struct, frozen=True, kw_only=True):
    """Every cycle that has labels, and the latest of them together."""

    latest: Accuracy | None
    """The last five together, or as many as there are; None before the first labels."""
    cycles: tuple[Accuracy, ...]
    """One a cycle, newest first."""


def accuracy_table(ledger: Ledger, loop: LoopName) -> AccuracyTable:
    """What the stored labels say. A cycle whose labels are not derived yet is left out."""
    batches = {batch.cycle: batch for batch in ledger.all(LabelBatch, loop)}
    found = [
        judged(selection, batches[selection.cycle])
        for selection in sorted(ledger.all(Selection, loop), key=lambda selection: selection.cycle)
        if selection.cycle in batches
    ]
    parts = [part for part in found if len(part.is_wrong) + part.missing]
    return AccuracyTable(
        latest=accuracy(parts[-LAST:]) if parts else None,
        cycles=tuple(accuracy([part]) for part in reversed(parts)),
    )
