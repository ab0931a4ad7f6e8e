"""What the labels of each cycle bought: how many, of which kind, and how often they told the model something new."""

from typing import NamedTuple

from loopline.apps.web.chart import wilson
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection


class Yield(NamedTuple):
    """Labels of one draw, and how many of them differ from what the live model had said."""

    n: int
    corrected: int
    share: float
    lower: float
    upper: float
    """Bounds of the 95 % interval of the share."""


class Effort(NamedTuple):
    """One cycle, or all of them together."""

    cycle: str
    chosen: Yield
    audit: Yield
    """Drawn uniformly at random: its share estimates the live model's error rate."""
    reserve: int
    """Labels that only judge, never train."""


def effort_of(batch: LabelBatch, selection: Selection | None) -> Effort:
    """The labels of one cycle by draw; a label is a correction when the live model had said something else."""
    said = {c.prediction: c.predicted for c in selection.candidates} if selection else {}
    counts = {"chosen": [0, 0], "audit": [0, 0]}
    for label in batch.labels:
        if label.stratum in counts and label.sample in said:
            counts[label.stratum][0] += 1
            counts[label.stratum][1] += label.label != said[label.sample]
    reserve = sum(label.stratum == "reserve" for label in batch.labels)
    return Effort(str(batch.cycle), _yield(*counts["chosen"]), _yield(*counts["audit"]), reserve)


def total(efforts: tuple[Effort, ...]) -> Effort:
    """All cycles together."""
    return Effort(
        "all",
        _yield(sum(e.chosen.n for e in efforts), sum(e.chosen.corrected for e in efforts)),
        _yield(sum(e.audit.n for e in efforts), sum(e.audit.corrected for e in efforts)),
        sum(e.reserve for e in efforts),
    )


def finding(whole: Effort) -> str:
    """One sentence: whether a chosen label told the model more than a random one, and how sure that is.

    The intervals are compared, so "more" is said only when they lie apart.
    """
    chosen, audit = whole.chosen, whole.audit
    if not chosen.n or not audit.n:
        return "Not yet known: labels of both kinds are needed."
    shares = (
        f"{100 * chosen.share:.0f} % of {chosen.n:,} chosen labels corrected the model, {100 * audit.share:.0f} % of "
    )
    shares += f"{audit.n:,} random ones"
    if chosen.lower > audit.upper:
        return f"{shares}: a chosen label tells the model more than a random one."
    if chosen.upper < audit.lower:
        return f"{shares}: a chosen label tells the model less than a random one."
    return f"{shares}: the intervals overlap, so the difference is not settled."


def _yield(n: int, corrected: int) -> Yield:
    share = corrected / n if n else 0.0
    return Yield(n, corrected, share, *wilson(share, n))
