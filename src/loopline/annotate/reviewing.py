"""From the answers so far: who can be relied on, and how many people each task waits for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.assignment import bounds
from loopline.annotate.evidence import Heard, Numbers, Sure, Verdict, latest
from loopline.annotate.gold import WINDOW, standing
from loopline.annotate.stopping import asked, reliance, wanted
from loopline.ports.sheet import Sheet
from loopline.records.ids import Digest, TaskId
from loopline.records.lineage import Raise
from loopline.records.settings import Settings
from loopline.records.task import Annotation, Skip, Standing, Task

PRESENT_LEASES = 2.0
"""Who has done nothing for this many leases has left."""
BEGINNING = datetime.min.replace(tzinfo=UTC)
Meetings = Callable[[frozenset[Digest]], Mapping[Digest, frozenset[str]]]
"""Contents -> who was asked about each in an earlier batch."""


def nobody(_contents: frozenset[Digest]) -> Mapping[Digest, frozenset[str]]:
    """Nobody was asked about anything before."""
    return {}


class Room(NamedTuple):
    """What bears on a batch besides its answers."""

    now: datetime
    met: Meetings = nobody
    """Who was asked about the same content before, and is not asked about it again."""
    settled: frozenset[TaskId] = frozenset()
    """Tasks about which an adjudicator has found something."""


class Reviewed(NamedTuple):
    """What a review changes."""

    standings: tuple[Standing, ...]
    """Those that new evidence moved."""
    raises: tuple[Raise, ...]
    """Tasks that wait for more people, or for fewer."""


def weighed(verdicts: Iterable[Verdict], *, before: Sequence[Standing], settings: Settings) -> tuple[Standing, ...]:
    """The standings that new evidence changes, by name.

    A standing is weighed again only when its evidence changed, and a pause is lifted by a person, never by this rule:
    so nobody flickers. Of who was let back in, only what they answered since then counts.
    """
    stored = {s.annotator: s for s in before}
    changed = []
    for annotator, own in latest(verdicts, window=WINDOW, standings=stored).items():
        old = stored.get(annotator)
        now = standing(
            annotator,
            [one.is_right for one in own if one.is_gold],
            peers=[one.is_right for one in own if not one.is_gold],
            loop=settings.name,
            norm=settings.annotate.norm,
            since=old.since if old else None,
        )
        if old is None or (_counts(old) != _counts(now) and old.state != "paused"):
            changed.append(now)
    return tuple(changed)


def _counts(standing: Standing) -> tuple[int, int, int, int]:
    return standing.gold_seen, standing.gold_right, standing.peers_seen, standing.peers_right


def present(
    annotations: Iterable[Annotation], skips: Iterable[Skip], *, paused: frozenset[str], since: datetime
) -> frozenset[str]:
    """Who takes part in a batch now: answered or passed at ``since`` or later, and is not paused."""
    seen = ((act.annotator, act.at) for acts in (annotations, skips) for act in acts)
    return frozenset(name for name, at in seen if at >= since) - paused


def sheet_of(
    tasks: Sequence[Task], annotations: Sequence[Annotation], *, labels: int, known: Mapping[TaskId, str]
) -> tuple[Sheet, tuple[str, ...]]:
    """The answers to these tasks as arrays, and the names of the people; answers to other tasks are left out."""
    place = {task.id: i for i, task in enumerate(tasks)}
    heard = sorted((a for a in annotations if a.task in place), key=lambda a: (a.task, a.id))
    people = tuple(sorted({a.annotator for a in heard}))
    seat = {name: i for i, name in enumerate(people)}
    prior = np.zeros((len(tasks), labels))
    for i, task in enumerate(tasks):
        if task.prior:
            prior[i] = task.prior
    sheet = Sheet(
        task=np.array([place[a.task] for a in heard], dtype=np.int64),
        person=np.array([seat[a.annotator] for a in heard], dtype=np.int64),
        answer=tuple(a.label for a in heard),
        known=tuple(known.get(task.id, task.gold) for task in tasks),
        people=len(people),
        prior=prior,
    )
    return sheet, people


def surety(
    tasks: Sequence[Task],
    annotations: Sequence[Annotation],
    *,
    standings: Sequence[Standing],
    sure: Sure,
    labels: int,
) -> Numbers:
    """The posterior of each task's leading answer, (tasks,), as the stopping rule sees it: by who can be relied on."""
    sheet, people = sheet_of(tasks, annotations, labels=labels, known={})
    evidence = {s.annotator: s for s in standings}
    known = [evidence.get(name) for name in people]
    seen = np.array([s.gold_seen + s.peers_seen if s else 0 for s in known], dtype=np.float64)
    right = np.array([s.gold_right + s.peers_right if s else 0 for s in known], dtype=np.float64)
    return sure(sheet, reliance(right, seen))


def raised(
    said: Heard,
    *,
    standings: Sequence[Standing],
    sure: Sure,
    settings: Settings,
    room: Room,
) -> tuple[Raise, ...]:
    """The tasks that wait for another number of people than before, with that number, by task id.

    Reckoned anew each time from what stands: answers of paused people do not count, and beyond the least number nobody
    is waited for who left, is paused, or passed. So where one is enough, one person alone can finish a batch, and who
    comes is asked where doubt remains. Who passed on a task counts towards the least.
    Present is who answered or passed within two leases: who only thinks for long has not left. While nobody is present
    a task without an answer waits for those who took part before, and one that was over stays so. A settled task waits
    for nobody.
    """
    rules = settings.annotate
    paused = frozenset(s.annotator for s in standings if s.state == "paused")
    since = room.now - timedelta(seconds=PRESENT_LEASES * rules.lease_seconds)
    near = present(said.annotations, said.skips, paused=paused, since=since)
    around = near or present(said.annotations, said.skips, paused=paused, since=BEGINNING)
    awaited = [task for task in said.tasks if task.stratum != "gold"]
    heard = [answer for answer in said.annotations if answer.annotator not in paused]
    answers = counted(awaited, heard)
    limits = np.array([bounds(task.stratum, rules=rules) for task in awaited], dtype=np.int64).reshape(-1, 2)
    called = asked(
        answers=answers,
        leading=surety(awaited, heard, standings=standings, sure=sure, labels=len(settings.signature.labels)),
        stop_at=rules.stop_at,
        least=limits[:, 0],
        most=limits[:, 1],
    )
    again = room.met(frozenset(task.content for task in awaited if task.stratum == "relabel"))
    out = _out(awaited, heard, skips=said.skips, met=again)
    free = [
        len((near if count or _is_over(task, names) else around) - names)
        for task, names, count in zip(awaited, out, answers.tolist(), strict=True)
    ]
    is_settled = np.array([task.id in room.settled for task in awaited], dtype=np.bool_)
    called = np.where(is_settled, answers, called)
    passed = np.array([len(names) for names in out], dtype=np.int64) - answers
    least = np.maximum(1, limits[:, 0] - passed)
    target = wanted(called, answers=answers, free=np.array(free, dtype=np.int64), present=len(around), least=least)
    target = np.where(is_settled, answers, target)
    return tuple(
        Raise(task=task.id, wanted=people)
        for task, people, count in zip(awaited, target.tolist(), answers.tolist(), strict=True)
        if people != task.wanted and count < max(people, task.wanted)
    )


def _is_over(task: Task, out: set[str]) -> bool:
    """Whether it was given up, since all who could be asked passed on it: only who is here now changes that."""
    return task.wanted == 0 and bool(out)


def counted(tasks: Sequence[Task], annotations: Iterable[Annotation]) -> NDArray[np.int64]:
    """How many of the answers each task has: (tasks,)."""
    place = {task.id: i for i, task in enumerate(tasks)}
    at = [place[one.task] for one in annotations if one.task in place]
    return np.bincount(np.array(at, dtype=np.int64), minlength=len(tasks))


def _out(
    tasks: Sequence[Task],
    annotations: Iterable[Annotation],
    *,
    skips: Iterable[Skip],
    met: Mapping[Digest, frozenset[str]],
) -> list[set[str]]:
    """Who is not to be asked about each task: they answered it, passed on it, or met its content before."""
    out = {task.id: set(met.get(task.content, ())) for task in tasks}
    for name, annotator in [(a.task, a.annotator) for a in annotations] + [(s.task, s.annotator) for s in skips]:
        out.get(name, set()).add(annotator)
    return [out[task.id] for task in tasks]
