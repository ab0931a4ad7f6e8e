"""How often the live model was right, read from the loop's own labels in three ways that differ in what they assume.

Each sample counts once, however often the traffic repeats it. It is judged by the answer that was drawn,
``Candidate.predicted`` against the label: where the selecting version has not answered it, by that of an older one.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from loopline.monitor.lure import CONFIDENCE, FEWEST, Weighed, estimate, lure
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the accuracy."""

    value: float | None
    """In [0, 1]; None where it cannot be told, and ``trust`` says why."""
    low: float | None
    """The 95 % interval; None where there is none."""
    high: float | None
    n: int
    """Labels behind it."""
    effective: float
    """Labels drawn evenly that would tell as much."""
    trust: str
    """What it can be trusted for, in one sentence."""


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Three readings of the labels of one cycle, or of several together."""

    cycles: tuple[int, ...]
    """Ascending."""
    models: tuple[str, ...]
    """The versions that selected, oldest cycle first; most samples are judged by their answers."""
    drawn: int
    missing: int
    """Drawn samples without a label: passed on, or not decided."""
    naive: Figure
    audit: Figure
    lure: Figure


class Judged(NamedTuple):
    """The labelled samples of one selection, in draw order. Arrays share their axis."""

    cycle: int
    model: str
    is_wrong: NDArray[np.bool_]
    is_audit: NDArray[np.bool_]
    proposal: NDArray[np.float64]
    """0 where it was not kept."""
    pool: int
    """Distinct samples in the pool, those without a label left out."""
    missing: int
    explore: float


def judged(selection: Selection, batch: LabelBatch) -> Judged:
    """The model's answers against the labels; a drawn sample without a label of this draw counts as missing."""
    labels = {label.sample: label.label for label in batch.labels if label.stratum != "relabel"}
    drawn = sorted(selection.candidates, key=lambda candidate: candidate.order)
    known = [candidate for candidate in drawn if candidate.prediction in labels]
    missing = len(drawn) - len(known)
    return Judged(
        cycle=selection.cycle,
        model=selection.model,
        is_wrong=np.array([labels[one.prediction] != one.predicted for one in known], np.bool_),
        is_audit=np.array([one.draw == "audit" for one in known], np.bool_),
        proposal=np.array([one.proposal for one in known], np.float64),
        pool=max(selection.pool_distinct - missing, len(known)),
        missing=missing,
        explore=selection.explore,
    )


def accuracy(parts: Sequence[Judged]) -> Accuracy:
    """The three readings of one cycle's labels, or of several cycles' together; at least one."""
    return Accuracy(
        cycles=tuple(part.cycle for part in parts),
        models=tuple(dict.fromkeys(part.model for part in parts)),
        drawn=sum(len(part.is_wrong) + part.missing for part in parts),
        missing=sum(part.missing for part in parts),
        naive=_naive(parts),
        audit=_audit(parts),
        lure=_weighed(parts),
    )


def clopper_pearson(hits: int, n: int) -> tuple[float, float]:
    """The exact 95 % interval of a share, n >= 1: covers at least that often, whatever the share.

    Source: Clopper, Pearson (1934), "The use of confidence or fiducial limits", Biometrika.

    >>> [round(bound, 4) for bound in clopper_pearson(0, 10)], [round(bound, 4) for bound in clopper_pearson(5, 10)]
    ([0.0, 0.3085], [0.1871, 0.8129])
    """
    tail = (1.0 - CONFIDENCE) / 2.0
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits else 0.0
    return low, float(betaincinv(hits + 1, n - hits, 1.0 - tail)) if hits < n else 1.0


def _naive(parts: Sequence[Judged]) -> Figure:
    wrong = np.concatenate([part.is_wrong for part in parts])
    if not len(wrong):
        return _untold("no drawn sample has a label")
    if all(len(part.is_wrong) == part.pool for part in parts):
        trust = "every sample of the pool has a label: this is the accuracy itself"
    else:
        trust = (
            "for nothing but a comparison: the choice looks for what the model finds hard, so as a rule it lies too low"
        )
    value = 1.0 - float(wrong.mean())
    return Figure(value=value, low=None, high=None, n=len(wrong), effective=float(len(wrong)), trust=trust)


def _audit(parts: Sequence[Judged]) -> Figure:
    wrong = np.concatenate([part.is_wrong[part.is_audit] for part in parts])
    if not len(wrong):
        return _untold("no sample of the random share has a label; explore under [select] sets that share")
    hits, n = len(wrong) - int(wrong.sum()), len(wrong)
    low, high = clopper_pearson(hits, n)
    trust = "for any decision: a uniform draw that knows nothing of the model; wide, as it uses few of the labels"
    return Figure(value=hits / n, low=low, high=high, n=n, effective=float(n), trust=trust)


def _weighed(parts: Sequence[Judged]) -> Figure:
    found = [part for part in parts if len(part.is_wrong)]
    n = sum(len(part.is_wrong) for part in found)
    if reason := _obstacle(found):
        return _untold(reason, n=n)
    weighed: list[Weighed] = [
        lure(part.is_wrong.astype(np.float64), proposal=part.proposal, pool=part.pool) for part in found
    ]
    effective = sum(each.effective for each in weighed)
    loss = estimate(weighed)
    if loss is None:
        few = f"{n} labels are worth {effective:.0f} even draws, fewer than {FEWEST}"
        return _untold(f"{few}: label more, or raise explore under [select]", n=n, effective=effective)
    trust = f"for the whole pool: every label counts, weighed by its odds when drawn; worth {effective:.0f} even draws"
    value, low, high = 1.0 - loss.value, 1.0 - loss.high, 1.0 - loss.low
    return Figure(value=value, low=low, high=high, n=n, effective=effective, trust=trust)


def _obstacle(parts: Sequence[Judged]) -> str:
    """Why the labels cannot be weighed; empty where they can."""
    if not parts:
        return "no drawn sample has a label"
    old = [str(part.cycle) for part in parts if not part.proposal.all()]
    if old:
        return f"the odds of each draw were not kept yet in cycle {', '.join(old)}"
    blind = [str(part.cycle) for part in parts if part.explore == 0.0 and len(part.is_wrong) < part.pool]
    if blind:
        return f"nothing was drawn at random in cycle {', '.join(blind)}, so part of the pool may have had no chance"
    return ""


def _untold(reason: str, *, n: int = 0, effective: float = 0.0) -> Figure:
    return Figure(value=None, low=None, high=None, n=n, effective=effective, trust=f"cannot be told: {reason}")
