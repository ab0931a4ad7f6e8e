"""From the answers so far: who can be relied on, and which tasks need another person."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from loopline.annotate.ballots import cast
from loopline.annotate.gold import standing
from loopline.annotate.stopping import leading, reliance, wanted
from loopline.records.lineage import Raise
from loopline.records.settings import Settings
from loopline.records.task import Annotation, Standing, Task


class Reviewed(NamedTuple):
    """What a review changes."""

    standings: tuple[Standing, ...]
    """Those that new gold answers moved."""
    raises: tuple[Raise, ...]
    """Tasks that need another person."""


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


def raised(
    tasks: Sequence[Task], annotations: Sequence[Annotation], *, standings: Sequence[Standing], settings: Settings
) -> tuple[Raise, ...]:
    """The tasks that need another person, with how many are wanted now, by task id.

    Answers of paused people do not count. Nobody is waited for who has not shown up: a task asks at most as many as
    have answered in this batch, so that one person alone can finish one.
    """
    paused = {s.annotator for s in standings if s.state == "paused"}
    awaited = [task for task in tasks if task.stratum != "gold"]
    heard = [answer for answer in annotations if answer.annotator not in paused]
    ballots = cast(awaited, heard, labels=settings.signature.labels)
    evidence = {s.annotator: s for s in standings}
    seen = np.array([evidence[p].gold_seen if p in evidence else 0 for p in ballots.people], dtype=np.float64)
    right = np.array([evidence[p].gold_right if p in evidence else 0 for p in ballots.people], dtype=np.float64)
    now = np.array([task.wanted for task in awaited], dtype=np.int64)
    answers = ballots.votes.sum(axis=1).astype(np.int64)
    present = len({answer.annotator for answer in heard})
    target = wanted(
        now=now,
        answers=answers,
        leading=leading(ballots, reliance(right, seen)),
        stop_at=settings.annotate.stop_at,
        most=min(settings.annotate.overlap_max, present),
    )
    return tuple(
        Raise(task=task.id, wanted=int(people))
        for task, people, old in zip(awaited, target, now, strict=True)
        if people > old
    )
