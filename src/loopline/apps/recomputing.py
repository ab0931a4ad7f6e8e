"""Labels derived anew from the very answers they were derived from, and how they differ from what is stored."""

from functools import partial

import msgspec

from loopline.annotate.labelling import Method, recomputed
from loopline.annotate.questions import METHODS
from loopline.errors import InvalidRecord, NotFound
from loopline.orchestrate.installation import Installation
from loopline.records.label import Label, LabelBatch

CLOSE = 1e-9
"""Posteriors that differ by no more are the same."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One sample whose label or posterior comes out otherwise."""

    sample: str
    content: str
    stratum: str
    stored: str
    """The label; empty where none is stored."""
    now: str
    """Empty where there is none now."""
    moved: float
    """The largest change of a posterior, in [0, 1]."""


class Recomputed(msgspec.Struct, frozen=True, kw_only=True):
    """One batch, derived anew."""

    cycle: int
    stored_method: str
    method: str
    labels: int
    """Stored."""
    is_same: bool
    """Byte for byte, method and all."""
    changed: int
    """Samples whose label is another, those that judge models included."""
    moved: int
    """Samples whose label is the same and whose posterior is not."""
    sealed_changed: int
    """Of the changed, those that judge models: their labels are not shown."""
    differences: tuple[Difference, ...]
    """Those that are learned, by sample; the changed ones first."""
    reason: str = ""
    """Why it cannot be derived anew; empty where it can."""


def recompute(house: Installation, *, method: str = "", cycle: int = 0) -> tuple[Recomputed, ...]:
    """Every batch of labels, or that of one cycle, derived anew; nothing is stored.

    ``method``: by its versioned name; empty: each by its own. Raises NotFound for an unknown method or cycle.
    """
    batches = house.ledger.all(LabelBatch, house.settings.name)
    if method and method not in METHODS and method != house.question.method:
        raise NotFound("method", method, known=tuple(METHODS))
    wanted = [batch for batch in batches if batch.cycle == cycle or not cycle]
    if cycle and not wanted:
        raise NotFound("labels", f"cycle-{cycle}", known=tuple(batch.id for batch in batches))
    return tuple(_again(house, batch, name=method or batch.method) for batch in wanted)


def _again(house: Installation, batch: LabelBatch, *, name: str) -> Recomputed:
    loop, labels = house.settings.name, house.settings.signature.labels
    derive = METHODS.get(name, house.question.agreed)
    how = Method(name, partial(derive, labels=labels), labels)
    tasks, given = house.book.answers(loop, cycle=batch.cycle).tasks, house.book.given(loop, cycle=batch.cycle)
    try:
        now = recomputed(batch, tasks, given, method=how)
    except (InvalidRecord, NotFound) as error:
        now, reason = batch, str(error)
    else:
        reason = ""
    found = _differences(batch, now)
    changed = [one for one in found if one.stored != one.now]
    return Recomputed(
        cycle=batch.cycle,
        stored_method=batch.method,
        method=name,
        labels=len(batch.labels),
        is_same=not reason and msgspec.json.encode(now) == msgspec.json.encode(batch),
        changed=len(changed),
        moved=len(found) - len(changed),
        sealed_changed=sum(one.stratum == "reserve" for one in changed),
        differences=tuple(one for one in found if one.stratum != "reserve"),
        reason=reason,
    )


def _differences(stored: LabelBatch, now: LabelBatch) -> list[Difference]:
    before, after = ({one.content: one for one in batch.labels} for batch in (stored, now))
    either = before | after
    found = [_difference(either[content], before.get(content), after.get(content)) for content in sorted(either)]
    differing = [one for one in found if one.stored != one.now or one.moved > CLOSE]
    return sorted(differing, key=lambda one: (one.stored == one.now, one.sample))


def _difference(either: Label, old: Label | None, new: Label | None) -> Difference:
    both = zip(old.posterior, new.posterior, strict=True) if old and new else ()
    return Difference(
        sample=either.sample,
        content=either.content,
        stratum=either.stratum,
        stored=old.label if old else "",
        now=new.label if new else "",
        moved=max((abs(a - b) for a, b in both), default=0.0 if old and new else 1.0),
    )
