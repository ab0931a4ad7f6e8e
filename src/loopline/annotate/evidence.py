"""What is known of each person's accuracy: from gold, and from what the others said of the same task."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.assignment import bounds
from loopline.annotate.stopping import reliance
from loopline.ports.sheet import Sheet
from loopline.records.cycle import Cycle
from loopline.records.ids import TaskId
from loopline.records.settings import AnnotateSettings, Settings
from loopline.records.task import Annotation, Skip, Standing, Task

BATCHES = 5
"""Batches before the present one that are looked at."""
SURE = 0.95
"""Posterior at which what the others say counts as the truth for judging one person."""
FEWEST_OTHERS = 2
"""People who have to agree: against one other alone, whoever is right, both are called wrong in turn."""
Numbers = NDArray[np.float64]
Sure = Callable[[Sheet, Numbers], Numbers]
"""(sheet, accuracies of its people) -> posterior of each task's leading answer: the loop's question."""


Decided = Mapping[str, str]
"""Gold row -> the answer that a decision gives it now, empty where none does; other rows are not in."""
NO_DECISIONS: Decided = MappingProxyType({})


class Verdict(NamedTuple):
    """One answer, held against what is known of its task."""

    annotator: str
    at: datetime
    is_right: bool
    is_gold: bool
    answer: str
    truth: str
    """The known answer of gold; of any other task what the others agree on."""
    task: TaskId


class Heard(NamedTuple):
    """A batch: its tasks, the answers that stand, and who passed."""

    tasks: Sequence[Task]
    annotations: Sequence[Annotation]
    skips: Sequence[Skip] = ()


def looked_at(cycle: Cycle) -> range:
    """The cycles before this one in which people are judged by their peers: what they did longer ago is another time.

    >>> from loopline.testing.factories import cycle
    >>> list(looked_at(cycle(3))), list(looked_at(cycle(9)))
    ([1, 2], [4, 5, 6, 7, 8])
    """
    return range(max(1, cycle.number - BATCHES), cycle.number)


def known_of(
    gold_answers: Iterable[tuple[Task, Annotation]],
    batches: Iterable[Heard],
    *,
    standings: Iterable[Standing],
    sure: Sure,
    settings: Settings,
) -> tuple[Verdict, ...]:
    """Every verdict on people's answers: from gold, and from the peers of these batches."""
    gold = from_gold(gold_answers)
    paused = frozenset(one.annotator for one in standings if one.state == "paused")
    return gold + from_peers(batches, accuracy=trusted(gold), paused=paused, sure=sure, settings=settings)


def holding(answers: Iterable[tuple[Task, Annotation]], *, decided: Decided) -> tuple[tuple[Task, Annotation], ...]:
    """The answers to gold whose known answer holds: not where a decision gave it that was taken back or changed."""
    return tuple((task, said) for task, said in answers if decided.get(task.sample, task.gold) == task.gold)


def from_gold(answers: Iterable[tuple[Task, Annotation]]) -> tuple[Verdict, ...]:
    """One verdict an answer to gold, in the order given."""
    return tuple(
        Verdict(
            annotator=said.annotator,
            at=said.at,
            is_right=said.label == task.gold,
            is_gold=True,
            answer=said.label,
            truth=task.gold,
            task=task.id,
        )
        for task, said in answers
    )


def trusted(gold: Iterable[Verdict]) -> dict[str, float]:
    """Each person's accuracy from gold alone, in (0, 1): the judges of peers are weighed by nothing that peers said."""
    seen: dict[str, list[bool]] = {}
    for verdict in gold:
        seen.setdefault(verdict.annotator, []).append(verdict.is_right)
    return {name: float(reliance(np.array(float(sum(v))), np.array(float(len(v))))) for name, v in seen.items()}


def from_peers(
    batches: Iterable[Heard],
    *,
    accuracy: Mapping[str, float],
    paused: frozenset[str],
    sure: Sure,
    settings: Settings,
) -> tuple[Verdict, ...]:
    """One verdict an answer on which the others together are sure, by (task, place in the task).

    *Whose word counts.* The others' answers alone, by their accuracy on gold: not the person's own, not the model's,
    nobody's who is paused, so that a group that errs together does not outlive the pause of those it rests on.

    *Which of the others.* Those who had answered before, and those who were asked in any case because the stratum wants
    as many. Who is asked later is asked because of what this person said: a dissent brings more people, an assent ends
    the asking, so that later answers would judge the dissenters only, and call everybody careless.

    *How many.* Two at least. One other, however good on gold, is wrong on hard samples too: people of 0.93 would call
    each other right in 0.87 of the answers.
    """
    verdicts = []
    for batch in batches:
        verdicts += _of_batch(batch, accuracy=accuracy, paused=paused, sure=sure, settings=settings)
    return tuple(verdicts)


def _of_batch(
    batch: Heard, *, accuracy: Mapping[str, float], paused: frozenset[str], sure: Sure, settings: Settings
) -> list[Verdict]:
    rules, classes = settings.annotate, len(settings.signature.labels)
    pairs = [pair for said in _by_task(batch) for pair in _independent(*said, paused=paused, rules=rules)]
    if not pairs:
        return []
    people = sorted({other.annotator for _, others in pairs for other in others})
    weights = np.array([accuracy.get(name, float(reliance(np.zeros(()), np.zeros(())))) for name in people])
    posterior = sure(_virtual([others for _, others in pairs], people, classes=classes), weights)
    of = dict(zip(people, weights.tolist(), strict=True))
    return [
        Verdict(
            annotator=own.annotator,
            at=own.at,
            is_right=own.label == truth,
            is_gold=False,
            answer=own.label,
            truth=truth,
            task=own.task,
        )
        for (own, others), surety in zip(pairs, posterior.tolist(), strict=True)
        if surety >= SURE and (truth := leading(others, of))
    ]


def _by_task(batch: Heard) -> list[tuple[Task, list[Annotation]]]:
    """The tasks that are no gold, by id, with their answers in order of time."""
    said: dict[TaskId, list[Annotation]] = {}
    for one in sorted(batch.annotations, key=lambda one: (one.at, one.id)):
        said.setdefault(one.task, []).append(one)
    tasks = sorted(batch.tasks, key=lambda task: task.id)
    return [(task, said[task.id]) for task in tasks if task.stratum != "gold" and task.id in said]


def _independent(
    task: Task, said: Sequence[Annotation], *, paused: frozenset[str], rules: AnnotateSettings
) -> list[tuple[Annotation, list[Annotation]]]:
    """Each answer with those of others that do not hang on it; none with fewer than two such others."""
    asked_anyway, _ = bounds(task.stratum, rules=rules)
    found = []
    for place, own in enumerate(said):
        within = said[: max(place, asked_anyway)]
        others = [one for one in within if one is not own and one.annotator not in paused]
        if len(others) >= FEWEST_OTHERS:
            found.append((own, others))
    return found


def _virtual(groups: Sequence[Sequence[Annotation]], people: Sequence[str], *, classes: int) -> Sheet:
    """A sheet on which each group of answers is a task of its own."""
    seat = {name: i for i, name in enumerate(people)}
    flat = [(i, one) for i, group in enumerate(groups) for one in group]
    return Sheet(
        task=np.array([i for i, _ in flat], np.int64),
        person=np.array([seat[one.annotator] for _, one in flat], np.int64),
        answer=tuple(one.label for _, one in flat),
        known=("",) * len(groups),
        people=len(people),
        prior=np.zeros((len(groups), classes)),
    )


def leading(said: Sequence[Annotation], accuracy: Mapping[str, float]) -> str:
    """The answer with most weight, an answer of accuracy a weighing log(a / (1 - a)); empty where two weigh the same.

    >>> from loopline.testing.factories import annotation
    >>> leading([annotation("a", annotator="ana"), annotation("b", annotator="ben", label="neutral")],
    ...     {"ana": 0.9, "ben": 0.8})
    'positive'
    """
    weight: dict[str, float] = {}
    for one in said:
        a = accuracy[one.annotator]
        weight[one.label] = weight.get(one.label, 0.0) + float(np.log(a / (1.0 - a)))
    first, *rest = sorted(weight, key=lambda answer: (-weight[answer], answer))
    return "" if rest and weight[rest[0]] >= weight[first] - 1e-9 else first


def latest(verdicts: Iterable[Verdict], *, window: int, standings: Mapping[str, Standing]) -> dict[str, list[Verdict]]:
    """The last ``window`` verdicts of each person since a lead let them back in, in order of time, by name."""
    found: dict[str, list[Verdict]] = {}
    for one in sorted(verdicts, key=lambda one: (one.at, one.task)):
        since = standings[one.annotator].since if one.annotator in standings else None
        if since is None or one.at > since:
            found.setdefault(one.annotator, []).append(one)
    return {name: found[name][-window:] for name in sorted(found)}
