"""One person's work in figures, for who looks after people: how right, how fast, which mistakes, how led."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

from loopline.annotate.anchoring import Anchoring, anchoring, by_suggestion, meetings
from loopline.annotate.evidence import Verdict
from loopline.records.ids import TaskId
from loopline.records.task import Annotation, Task

WINDOW = 50
"""Answers that are one point of the course over time."""


class Share(NamedTuple):
    """How many of some answers were right, and what accuracy that speaks for."""

    right: int
    seen: int
    accuracy: float
    """Posterior mean from a flat prior, in (0, 1)."""
    low: float
    high: float
    """Central 95 % of the posterior."""


class Stretch(NamedTuple):
    """Some answers in a row of which something is known."""

    first: datetime
    last: datetime
    gold: Share
    peers: Share


class Pace(NamedTuple):
    """Seconds from shown to answered; answers given to a whole cluster at once left out."""

    n: int
    lower: float
    median: float
    upper: float
    """Quartiles."""


class PersonReport(NamedTuple):
    """All of it."""

    annotator: str
    answers: int
    flags: int
    gold: Share
    """Over all answers looked at."""
    peers: Share
    course: tuple[Stretch, ...]
    """Oldest first."""
    pace: Pace | None
    """None without answers."""
    against_gold: dict[tuple[str, str], int]
    """(truth, answer) -> how often."""
    against_peers: dict[tuple[str, str], int]
    """(what the others agree on, answer) -> how often."""
    anchoring: Anchoring
    by_suggestion: dict[str, Anchoring]


def report(
    annotator: str, *, annotations: Sequence[Annotation], verdicts: Iterable[Verdict], tasks: Mapping[TaskId, Task]
) -> PersonReport:
    """The figures of one person.

    ``annotations``: their answers that were not undone; ``verdicts``: of anybody; ``tasks``: those behind the verdicts.
    """
    own = sorted((one for one in verdicts if one.annotator == annotator), key=lambda one: (one.at, one.task))
    met = meetings(own, tasks)
    return PersonReport(
        annotator=annotator,
        answers=len(annotations),
        flags=sum(one.is_flagged for one in annotations),
        gold=_of(own, is_gold=True),
        peers=_of(own, is_gold=False),
        course=tuple(_stretch(own[start : start + WINDOW]) for start in range(0, len(own), WINDOW)),
        pace=pace(one.seconds for one in annotations if not one.is_bulk),
        against_gold=_confusion(own, is_gold=True),
        against_peers=_confusion(own, is_gold=False),
        anchoring=anchoring(met),
        by_suggestion=by_suggestion(met),
    )


def share(right: int, seen: int) -> Share:
    """The Beta posterior of an accuracy after ``right`` of ``seen``, from the flat prior Beta(1, 1).

    >>> [round(x, 3) for x in share(0, 0)[2:]], [round(x, 3) for x in share(19, 20)[2:]]
    ([0.5, 0.025, 0.975], [0.909, 0.762, 0.988])
    """
    low, high = betaincinv(right + 1, seen - right + 1, [0.025, 0.975])
    return Share(right, seen, (right + 1) / (seen + 2), float(low), float(high))


def pace(seconds: Iterable[float]) -> Pace | None:
    """Quartiles of these times; None where there are none.

    >>> pace([1.0, 2.0, 3.0])
    Pace(n=3, lower=1.5, median=2.0, upper=2.5)
    """
    times = np.array(list(seconds), dtype=np.float64)
    return Pace(len(times), *np.quantile(times, [0.25, 0.5, 0.75]).tolist()) if len(times) else None


def _of(verdicts: Iterable[Verdict], *, is_gold: bool) -> Share:
    right = [one.is_right for one in verdicts if one.is_gold is is_gold]
    return share(sum(right), len(right))


def _stretch(verdicts: Sequence[Verdict]) -> Stretch:
    gold, peers = (_of(verdicts, is_gold=side) for side in (True, False))
    return Stretch(first=verdicts[0].at, last=verdicts[-1].at, gold=gold, peers=peers)


def _confusion(verdicts: Iterable[Verdict], *, is_gold: bool) -> dict[tuple[str, str], int]:
    pairs = Counter((one.truth, one.answer) for one in verdicts if one.is_gold is is_gold)
    return dict(sorted(pairs.items()))
