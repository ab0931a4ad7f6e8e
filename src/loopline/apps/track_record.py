"""How each person does, as pages and programs read it: every figure with its interval and what it rests on."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from loopline.annotate import anchoring, report
from loopline.annotate.report import PersonReport
from loopline.records.task import Standing

MOST_CONFUSED: Final = 12
"""Answers that stand beside each other in a confusion matrix; the rarer ones are taken together."""
OTHERS: Final = "any other"


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long one answer takes: the median, and between which bounds half of them lie."""

    median_seconds: float
    low_seconds: float
    high_seconds: float
    n: int


class Anchoring(msgspec.Struct, frozen=True, kw_only=True):
    """How often a wrong suggestion is given as the answer."""

    label: str
    """What was wrongly suggested; empty: anything."""
    shown: Share | None
    """Where the suggestion was shown."""
    blind: Share | None
    """Where it was withheld."""
    difference: float | None
    """Shown less blind; None where either is not known."""
    low: float | None
    high: float | None


class PersonRow(msgspec.Struct, frozen=True, kw_only=True):
    """One person at a glance."""

    name: str
    state: Literal["active", "paused"]
    reason: str
    """Why they stand so, in words; empty before anything was weighed."""
    accuracy: Share | None
    """On gold, and where the others are sure: what they stand by."""
    gold_seen: int
    gold_right: int
    peers_seen: int
    peers_right: int
    answers: int
    pace: Pace | None
    agreement: Share | None
    """How often they say what most others say, on labelled batches, never on gold."""
    anchoring: Anchoring | None
    """Over all labels; None where no wrong suggestion was met."""
    last_at: datetime | None


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Some answers in a row of which something is known."""

    since: datetime
    until: datetime
    gold: Share | None
    peers: Share | None


class Confused(msgspec.Struct, frozen=True, kw_only=True):
    """What was said where this is the right answer."""

    truth: str
    counts: tuple[int, ...]
    """One an answer of ``said``."""
    n: int
    right: float
    """Share that was right."""


class Confusion(msgspec.Struct, frozen=True, kw_only=True):
    """Right answers against what a person said; of gold, and of samples on which the others are sure."""

    said: tuple[str, ...]
    rows: tuple[Confused, ...]
    gold: int
    """Answers to gold behind it."""
    peers: int


def accuracy_of(standing: Standing | None) -> Share | None:
    """What a standing says of a person's accuracy; None where nothing is known."""
    if standing is None:
        return None
    right, seen = standing.gold_right + standing.peers_right, standing.gold_seen + standing.peers_seen
    return share_of(report.share(right, seen))


def share_of(found: report.Share) -> Share | None:
    """An accuracy as pages show it; None without evidence.

    >>> share_of(report.share(0, 0)) is None, share_of(report.share(18, 20)).n
    (True, 20)
    """
    return Share(value=found.accuracy, low=found.low, high=found.high, n=found.seen) if found.seen else None


def counted(hits: int, n: int) -> Share | None:
    """A share of counted answers with its Wilson interval; None of nothing."""
    if not n:
        return None
    value, low, high = anchoring.wilson(hits, n)
    return Share(value=value, low=low, high=high, n=n)


def pace_of(found: report.Pace | None) -> Pace | None:
    """A pace as pages show it."""
    if found is None:
        return None
    return Pace(median_seconds=found.median, low_seconds=found.lower, high_seconds=found.upper, n=found.n)


def anchoring_of(found: anchoring.Anchoring | None, *, label: str = "") -> Anchoring | None:
    """What became of wrong suggestions; None where none was met."""
    if found is None or not (found.shown or found.blind):
        return None
    is_known = not math.isnan(found.difference)
    return Anchoring(
        label=label,
        shown=counted(found.shown_followed, found.shown),
        blind=counted(found.blind_followed, found.blind),
        difference=found.difference if is_known else None,
        low=found.low if is_known else None,
        high=found.high if is_known else None,
    )


def anchorings(found: PersonReport) -> tuple[Anchoring, ...]:
    """Over all labels first, then by what was wrongly suggested."""
    each = [
        anchoring_of(found.anchoring),
        *(anchoring_of(one, label=name) for name, one in found.by_suggestion.items()),
    ]
    return tuple(one for one in each if one is not None)


def course(found: PersonReport) -> tuple[Period, ...]:
    """The stretches of a report, oldest first."""
    return tuple(
        Period(since=one.first, until=one.last, gold=share_of(one.gold), peers=share_of(one.peers))
        for one in found.course
    )


def confusion(found: PersonReport, *, labels: tuple[str, ...]) -> Confusion:
    """The answers for each right one: the loop's labels in its order, else the most frequent ones."""
    pairs = Counter(found.against_gold) + Counter(found.against_peers)
    names = _names(pairs, labels)
    counts = {truth: Counter[str]() for truth in names}
    right = Counter[str]()
    for (truth, said), n in pairs.items():
        row = truth if truth in counts else OTHERS
        counts[row][said if said in counts else OTHERS] += n
        right[row] += n * (truth == said)
    rows = tuple(
        Confused(truth=truth, counts=tuple(of[said] for said in names), n=of.total(), right=right[truth] / of.total())
        for truth, of in counts.items()
        if of
    )
    gold, peers = (sum(side.values()) for side in (found.against_gold, found.against_peers))
    return Confusion(said=names, rows=rows, gold=gold, peers=peers)


def _names(pairs: Mapping[tuple[str, str], int], labels: Sequence[str]) -> tuple[str, ...]:
    met = Counter[str]()
    for pair, n in pairs.items():
        met.update(dict.fromkeys(pair, n))
    if set(met) <= set(labels):
        return tuple(labels)
    names = tuple(sorted(met, key=lambda name: (-met[name], name)))
    return names if len(names) <= MOST_CONFUSED else (*names[: MOST_CONFUSED - 1], OTHERS)
