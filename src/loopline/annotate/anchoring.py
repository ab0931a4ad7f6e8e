"""How far a person follows a suggestion that is wrong, beyond how often they make that mistake by themselves."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from scipy.special import ndtri

from loopline.annotate.evidence import Verdict
from loopline.records.ids import TaskId
from loopline.records.task import Task

Z = float(ndtri(0.975))
SUGGESTED = frozenset({"chosen", "gold"})
"""Strata of which some tasks show a suggestion and others, drawn by a hash, show none."""


class Meeting(NamedTuple):
    """One answer to a task whose suggestion was, or would have been, wrong."""

    annotator: str
    suggestion: str
    is_shown: bool
    is_followed: bool
    """Whether the answer is the suggestion."""


class Anchoring(NamedTuple):
    """P(answer = suggestion | it is wrong, shown) - the same when it was not shown."""

    shown: int
    shown_followed: int
    blind: int
    blind_followed: int
    difference: float
    """In [-1, 1]; NaN where either was never met."""
    low: float
    high: float
    """95 % interval; NaN with the difference."""


def meetings(verdicts: Iterable[Verdict], tasks: Mapping[TaskId, Task]) -> tuple[Meeting, ...]:
    """The answers to tasks whose suggestion is not the truth, shown or withheld, in the order of the verdicts.

    Of gold the truth is known, and some of it carries a wrong suggestion on purpose. Of chosen samples the truth is
    what the others agree on; the blind share says what people do without a suggestion. Those drawn by chance do not:
    none of them shows one, and they are easier, so that beside them whoever errs where it is hard would seem led.
    """
    found = []
    for one in verdicts:
        task = tasks[one.task]
        suggestion = task.suggestion or task.withheld
        if suggestion and suggestion != one.truth and task.stratum in SUGGESTED:
            found.append(Meeting(one.annotator, suggestion, bool(task.suggestion), one.answer == suggestion))
    return tuple(found)


def anchoring(met: Iterable[Meeting]) -> Anchoring:
    """How far these answers follow wrong suggestions, with Newcombe's interval.

    The interval of a difference of two shares from the Wilson intervals (l, u) of each: d - sqrt((p1 - l1)^2 + (u2 -
    p2)^2) and d + sqrt((u1 - p1)^2 + (p2 - l2)^2). Source: Newcombe 1998, Statistics in Medicine 17, 873-890, method
    10; suggestions move people: arXiv 2509.08514.

    >>> shown = [Meeting("ana", "bad", True, followed) for followed in [True] * 56 + [False] * 14]
    >>> blind = [Meeting("ana", "bad", False, followed) for followed in [True] * 48 + [False] * 32]
    >>> found = anchoring(shown + blind)  # the example of the source: 56/70 against 48/80
    >>> round(found.difference, 4), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    every = tuple(met)
    shown, blind = ([one.is_followed for one in every if one.is_shown is side] for side in (True, False))
    if not shown or not blind:
        return Anchoring(len(shown), sum(shown), len(blind), sum(blind), math.nan, math.nan, math.nan)
    (p1, low1, high1), (p2, low2, high2) = wilson(sum(shown), len(shown)), wilson(sum(blind), len(blind))
    return Anchoring(
        shown=len(shown),
        shown_followed=sum(shown),
        blind=len(blind),
        blind_followed=sum(blind),
        difference=p1 - p2,
        low=p1 - p2 - math.hypot(p1 - low1, high2 - p2),
        high=p1 - p2 + math.hypot(high1 - p1, p2 - low2),
    )


def wilson(hits: int, n: int) -> tuple[float, float, float]:
    """A share and its 95 % score interval, all in [0, 1]; ``n`` at least 1. Source: Wilson 1927, JASA 22.

    >>> [round(x, 4) for x in wilson(56, 70)]
    [0.8, 0.6918, 0.877]
    """
    p = hits / n
    middle, spread = p + Z * Z / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    whole = 1 + Z * Z / n
    return p, min(p, max(0.0, (middle - spread) / whole)), max(p, min(1.0, (middle + spread) / whole))


def by_suggestion(met: Iterable[Meeting]) -> dict[str, Anchoring]:
    """The same for each label that was suggested, by label."""
    groups: dict[str, list[Meeting]] = {}
    for one in met:
        groups.setdefault(one.suggestion, []).append(one)
    return {label: anchoring(groups[label]) for label in sorted(groups)}


def by_person(met: Iterable[Meeting]) -> dict[str, Anchoring]:
    """The same for each person, by name."""
    groups: dict[str, list[Meeting]] = {}
    for one in met:
        groups.setdefault(one.annotator, []).append(one)
    return {name: anchoring(groups[name]) for name in sorted(groups)}
