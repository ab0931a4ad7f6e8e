"""What adjudicators found, as far as it bears on the labels of a batch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from loopline.records.decision import Decision
from loopline.records.ids import TaskId
from loopline.records.label import Label
from loopline.records.settings import Settings
from loopline.records.task import Annotation, Task

DIGITS = 9


class Rulings(NamedTuple):
    """What is known of tasks apart from their answers."""

    known: Mapping[TaskId, tuple[str, str]]
    """Task -> the right answer, and who found it."""
    soft: Mapping[TaskId, str]
    """Tasks with several right answers, kept with the shares of their answers -> who found that."""
    out: frozenset[TaskId]
    """Tasks that get no label: ambiguous ones where these are excluded, and gaps of the guideline."""
    gaps: int = 0
    """How many of these are gaps."""

    @property
    def settled(self) -> frozenset[TaskId]:
        """Tasks that wait for no answer."""
        return self.out | self.known.keys() | self.soft.keys()

    @property
    def sentence(self) -> str:
        """What was found, in words; empty where nothing was."""
        ambiguous = len(self.out) - self.gaps
        parts = (
            (len(self.known), "decided by an adjudicator"),
            (len(self.soft), "found ambiguous and kept as soft"),
            (ambiguous, "found ambiguous and left out"),
            (self.gaps, "left out: the guideline does not say"),
        )
        return ", ".join(f"{count:,} {words}" for count, words in parts if count)

    def by(self, task: TaskId) -> str:
        """Who found what holds for the task; empty where its answers say it."""
        return self.known[task][1] if task in self.known else self.soft.get(task, "")


def is_left_out(decision: Decision, *, ambiguous: str) -> bool:
    """Whether its sample gets no label. ``ambiguous``: ``soft`` or ``exclude``."""
    return decision.finding == "guideline gap" or (decision.finding == "ambiguous" and ambiguous == "exclude")


def _gives_label(decision: Decision, *, ambiguous: str) -> bool:
    return decision.finding != "withdrawn" and not is_left_out(decision, ambiguous=ambiguous)


def ruled(decisions: Iterable[Decision], *, ambiguous: str) -> Rulings:
    """The findings as they bear on labels; one that was taken back leaves it to the answers again."""
    every = tuple(decisions)
    out = [one for one in every if is_left_out(one, ambiguous=ambiguous)]
    return Rulings(
        known={one.task: (one.label, one.adjudicator) for one in every if one.finding == "label"},
        soft={one.task: one.adjudicator for one in every if one.finding == "ambiguous" and ambiguous != "exclude"},
        out=frozenset(one.task for one in out),
        gaps=sum(one.finding == "guideline gap" for one in out),
    )


def softened(
    tasks: Sequence[Task], annotations: Iterable[Annotation], *, labels: tuple[str, ...]
) -> dict[TaskId, tuple[str, tuple[float, ...]]]:
    """The most frequent answer of each task, and the share of its answers that each label is in.

    One answer more is counted, spread over the labels, so that no share is 1: several answers are right, that was
    found. Where an answer is one label the shares sum to 1. Of equally frequent answers the first in the alphabet
    stands; a task without answers gets all labels alike.
    """
    said: dict[TaskId, list[str]] = {task.id: [] for task in tasks}
    for one in annotations:
        if one.task in said:
            said[one.task].append(one.label)
    return {name: (_commonest(answers, labels), _shares(answers, labels)) for name, answers in said.items()}


def _commonest(answers: Sequence[str], labels: tuple[str, ...]) -> str:
    return min(answers, key=lambda one: (-answers.count(one), one), default=labels[0])


def _shares(answers: Sequence[str], labels: tuple[str, ...]) -> tuple[float, ...]:
    chosen = np.array([[label in named(one, labels=labels) for label in labels] for one in answers], dtype=np.float64)
    votes = chosen.reshape(-1, len(labels)).sum(axis=0)
    return tuple(((votes + 1.0 / len(labels)) / (len(answers) + 1.0)).round(DIGITS).tolist())


def named(answer: str, *, labels: tuple[str, ...]) -> frozenset[str]:
    """The labels that an answer names: itself, or those of a JSON list.

    >>> sorted(named('["a", "c"]', labels=("a", "b", "c"))), sorted(named("b", labels=("a", "b", "c")))
    (['a', 'c'], ['b'])
    """
    if answer in labels or not answer.startswith("["):
        return frozenset({answer})
    return frozenset(msgspec.json.decode(answer, type=list[str]))


def changed(
    decisions: Iterable[Decision],
    *,
    tasks: Mapping[TaskId, Task],
    annotations: Sequence[Annotation],
    stored: Mapping[str, Label],
    cycle: int,
    settings: Settings,
) -> tuple[Label, ...]:
    """The labels that decisions about earlier batches give now, by task id: those that differ from what is stored.

    ``stored``: the latest label of each content. A reserve sample stays one: what judges models is not learned. Any
    other becomes ``relabel``.
    """
    ambiguous, labels = settings.annotate.ambiguous, settings.signature.labels
    holding = [
        one
        for one in sorted(decisions, key=lambda one: one.task)
        if one.task in tasks and tasks[one.task].stratum != "gold" and _gives_label(one, ambiguous=ambiguous)
    ]
    soft = softened([tasks[one.task] for one in holding], annotations, labels=labels)
    made = []
    for one in holding:
        task, old = tasks[one.task], stored.get(one.content)
        found = (one.label, certain(one.label, labels=labels)) if one.finding == "label" else soft[one.task]
        if old is not None and (old.label, old.posterior, old.decided_by) == (*found, one.adjudicator):
            continue
        made.append(
            Label(
                sample=task.sample,
                content=task.content,
                inputs=task.inputs,
                cycle=cycle,
                stratum="reserve" if "reserve" in (task.stratum, old.stratum if old else "") else "relabel",
                label=found[0],
                posterior=found[1],
                decided_by=one.adjudicator,
                annotators=tuple(sorted({said.annotator for said in annotations if said.task == one.task})),
            )
        )
    return tuple(made)


def certain(answer: str, *, labels: tuple[str, ...]) -> tuple[float, ...]:
    """The posterior of an answer that is known: 1 for each label that it names, 0 for the others.

    >>> certain("b", labels=("a", "b"))
    (0.0, 1.0)
    """
    return tuple(float(label in named(answer, labels=labels)) for label in labels)


def is_certain(posterior: Sequence[float]) -> bool:
    """Whether this is the posterior of a known answer: no share of answers is 0 or 1."""
    return all(p in (0.0, 1.0) for p in posterior)
