"""What the answers of a batch leave in doubt: where a person has to look who settles it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from blake3 import blake3

from loopline.annotate.assignment import bounds
from loopline.records.ids import TaskId
from loopline.records.settings import AnnotateSettings
from loopline.records.task import Annotation, Skip, Task

FEWEST = 2
"""Answers before doubt is worth a third look: where one answer is all that is asked for, it is taken."""


class Doubt(NamedTuple):
    """One task for the adjudicator."""

    task: Task
    annotations: tuple[Annotation, ...]
    """Its answers, in an order that is fixed by a hash and tells nothing."""
    sure: float
    """Posterior of the leading answer, in [0, 1]."""
    reason: str


def doubtful(
    tasks: Sequence[Task],
    annotations: Iterable[Annotation],
    *,
    skips: Iterable[Skip],
    sure: Sequence[float],
    settled: frozenset[TaskId],
    rules: AnnotateSettings,
) -> tuple[Doubt, ...]:
    """The tasks that need a person to settle them, the least sure first.

    Those with as many answers as their stratum allows and a posterior below ``stop_at``, those that somebody flagged,
    and those that ended without an answer because all who are there passed on them; not gold, and none that is
    ``settled``. ``sure``: one a task.
    """
    said: dict[TaskId, list[Annotation]] = {}
    for one in annotations:
        said.setdefault(one.task, []).append(one)
    passed: dict[TaskId, list[Skip]] = {}
    for skip in skips:
        passed.setdefault(skip.task, []).append(skip)
    found = []
    for task, surety in zip(tasks, sure, strict=True):
        own = said.get(task.id, [])
        reason = _reason(task, own, passed=passed.get(task.id, ()), sure=surety, rules=rules)
        if reason and task.stratum != "gold" and task.id not in settled:
            found.append(Doubt(task, shuffled(own), surety, reason))
    return tuple(sorted(found, key=lambda doubt: (doubt.sure, doubt.task.id)))


def shuffled(annotations: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """The same answers in an order that neither time nor name can be read from, always the same."""
    return tuple(sorted(annotations, key=lambda one: blake3(f"shown/{one.task}/{one.id}".encode()).digest()))


def _reason(
    task: Task, said: Sequence[Annotation], *, passed: Sequence[Skip], sure: float, rules: AnnotateSettings
) -> str:
    """Why it is in doubt, in words; empty when it is not."""
    flags = sum(one.is_flagged for one in said)
    _, most = bounds(task.stratum, rules=rules)
    parts = []
    if len(said) >= max(most, FEWEST) and sure < rules.stop_at:
        parts.append(f"{len(said)} people answered, and together they are {sure:.2f} sure, less than {rules.stop_at}")
    if flags:
        parts.append(f"{flags} of them flagged it" if len(said) > 1 else "who answered flagged it")
    if not said and not task.wanted and passed:
        why = ", ".join(sorted({skip.reason for skip in passed if skip.reason}))
        parts.append(f"nobody answered, {len(passed)} passed on it" + (f": {why}" if why else ""))
    return "; ".join(parts)
