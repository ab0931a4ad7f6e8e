"""From the answers so far: who can be relied on, and how many people each task waits for."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from loopline.annotate.ballots import cast
from loopline.annotate.gold import standing
from loopline.annotate.stopping import asked, leading, reliance, wanted
from loopline.records.ids import TaskId
from loopline.records.lineage import Raise
from loopline.records.settings import Settings
from loopline.records.task import Annotation, Skip, Standing, Task

PRESENT_LEASES = 2.0
"""Who has done nothing for this many leases has left."""


class Reviewed(NamedTuple):
    """What a review changes."""

    standings: tuple[Standing, ...]
    """Those that new gold answers moved."""
    raises: tuple[Raise, ...]
    """Tasks that wait for more people, or for fewer."""


def weighed(
    gold_answers: Iterable[tuple[Task, Annotation]], *, before: Sequence[Standing], settings: Settings
) -> tuple[Standing, ...]:
    """The standings that new gold answers change, by name.

    A standing is weighed again only when its gold answers changed, and a pause is lifted by a person, never by this
    rule: so nobody flickers, and who was let back in stays in until their next gold answer.
    """
    verdicts: dict[str, list[bool]] = {}
    for task, answer in gold_answers:
        verdicts.setdefault(answer.annotator, []).append(answer.label == task.gold)
    stored = {s.annotator: s for s in before}
    changed = []
    for annotator in sorted(verdicts):
        now = standing(annotator, verdicts[annotator], loop=settings.name, norm=settings.annotate.norm)
        old = stored.get(annotator)
        is_new = old is None or (old.gold_seen, old.gold_right) != (now.gold_seen, now.gold_right)
        if is_new and not (old is not None and old.state == "paused"):
            changed.append(now)
    return tuple(changed)


def present(
    annotations: Iterable[Annotation], skips: Iterable[Skip], *, paused: frozenset[str], since: datetime
) -> frozenset[str]:
    """Who takes part in a batch now: answered or passed at ``since`` or later, and is not paused."""
    seen = ((act.annotator, act.at) for acts in (annotations, skips) for act in acts)
    return frozenset(name for name, at in seen if at >= since) - paused


def raised(
    tasks: Sequence[Task],
    annotations: Sequence[Annotation],
    *,
    skips: Sequence[Skip],
    standings: Sequence[Standing],
    settings: Settings,
    now: datetime,
) -> tuple[Raise, ...]:
    """The tasks that wait for another number of people than before, with that number, by task id.

    Reckoned anew each time from what stands: answers of paused people do not count, and nobody is waited for who left,
    is paused, or passed; so one person alone can finish a batch, and people who come are asked where doubt remains.
    Present is who answered or passed within two leases: who only thinks for long has not left.
    """
    rules = settings.annotate
    paused = frozenset(s.annotator for s in standings if s.state == "paused")
    since = now - timedelta(seconds=PRESENT_LEASES * rules.lease_seconds)
    near = present(annotations, skips, paused=paused, since=since)
    awaited = [task for task in tasks if task.stratum != "gold"]
    heard = [answer for answer in annotations if answer.annotator not in paused]
    ballots = cast(awaited, heard, labels=settings.signature.labels)
    evidence = {s.annotator: s for s in standings}
    seen = np.array([evidence[p].gold_seen if p in evidence else 0 for p in ballots.people], dtype=np.float64)
    right = np.array([evidence[p].gold_right if p in evidence else 0 for p in ballots.people], dtype=np.float64)
    answers = ballots.votes.sum(axis=1).astype(np.int64)
    called = asked(
        answers=answers,
        leading=leading(ballots, reliance(right, seen)),
        stop_at=rules.stop_at,
        least=rules.overlap_min,
        most=rules.overlap_max,
    )
    met: dict[TaskId, set[str]] = {task.id: set() for task in awaited}
    for name, annotator in [(a.task, a.annotator) for a in heard] + [(s.task, s.annotator) for s in skips]:
        met.get(name, set()).add(annotator)
    free = np.array([len(near - met[task.id]) for task in awaited], dtype=np.int64)
    target = wanted(called, answers=answers, free=free, present=len(near))
    return tuple(
        Raise(task=task.id, wanted=people)
        for task, people, said in zip(awaited, target.tolist(), answers.tolist(), strict=True)
        if people != task.wanted and said < max(people, task.wanted)
    )
