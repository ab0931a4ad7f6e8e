"""From the answers of a batch to its labels, in one pass."""

import math
from collections.abc import Sequence

from loopline.annotate.agreement import Agreement, krippendorff_alpha
from loopline.annotate.ballots import Ballots, cast
from loopline.annotate.dawid_skene import METHOD, dawid_skene
from loopline.errors import InvalidRecord, NotFound
from loopline.records.cycle import Cycle
from loopline.records.label import Label, LabelBatch
from loopline.records.task import Annotation, Task

DIGITS = 9
"""Posteriors are rounded so, before the leading label is read off: the last bits differ between processors."""


def labelled(
    tasks: Sequence[Task], annotations: Sequence[Annotation], *, cycle: Cycle, labels: tuple[str, ...]
) -> LabelBatch:
    """The labels of the answered chosen, audit and reserve tasks, by task id; of equal posteriors the first label wins.

    Gold tasks give no labels: they tell how each person errs. Tasks without an answer are left out and counted.
    """
    return _derived(tasks, annotations, loop=cycle.loop, number=cycle.number, labels=labels)


def recomputed(
    batch: LabelBatch, tasks: Sequence[Task], annotations: Sequence[Annotation], *, labels: tuple[str, ...]
) -> LabelBatch:
    """The batch derived anew from the very answers it was derived from: the same bytes, whatever was said since.

    ``tasks``, ``annotations``: all there are of its cycle. Raises InvalidRecord for a batch that does not say which
    answers those were, NotFound for one that is not among ``annotations``.
    """
    if batch.annotations and not batch.answers:
        expected = "the answers it was derived from"
        raise InvalidRecord(f"labels {batch.id}", found="no ids of answers", expected=expected)
    said = {answer.id: answer for answer in annotations}
    for missing in (name for name in batch.answers if name not in said):
        raise NotFound("answer", missing)
    heard = [said[name] for name in batch.answers]
    return _derived(tasks, heard, loop=batch.loop, number=batch.cycle, labels=labels)


def _derived(
    tasks: Sequence[Task], annotations: Sequence[Annotation], *, loop: str, number: int, labels: tuple[str, ...]
) -> LabelBatch:
    said = {answer.task for answer in annotations}
    batch = sorted((task for task in tasks if task.id in said), key=lambda task: task.id)
    ballots = cast(batch, sorted(annotations, key=lambda answer: (answer.task, answer.id)), labels=labels)
    posterior = dawid_skene(ballots).posterior.round(DIGITS)
    derived = tuple(
        Label(
            sample=task.sample,
            content=task.content,
            inputs=task.inputs,
            cycle=number,
            stratum=task.stratum,
            label=labels[int(row.argmax())],
            posterior=tuple(row.tolist()),
            annotators=names,
        )
        for task, row, names in zip(batch, posterior, _people(ballots), strict=True)
        if task.stratum != "gold"
    )
    counted = ballots.votes[ballots.known < 0]
    agreement = krippendorff_alpha(counted)
    answers, asked = int(counted.sum()), {task.id for task in batch}
    missing = sum(task.stratum != "gold" for task in tasks) - len(derived)
    return LabelBatch(
        id=f"cycle-{number}",
        loop=loop,
        cycle=number,
        method=METHOD,
        labels=derived,
        alpha=-1.0 if math.isnan(agreement.alpha) else agreement.alpha,
        alpha_n=0 if math.isnan(agreement.alpha) else agreement.samples,
        annotations=answers,
        reason=_sentence(derived, answers=answers, agreement=agreement, missing=missing),
        answers=tuple(sorted(answer.id for answer in annotations if answer.task in asked)),
    )


def _people(ballots: Ballots) -> list[tuple[str, ...]]:
    """The names behind the answers to each task, sorted."""
    names: list[set[str]] = [set() for _ in ballots.known]
    for task, person in zip(ballots.task.tolist(), ballots.person.tolist(), strict=True):
        names[task].add(ballots.people[person])
    return [tuple(sorted(group)) for group in names]


def _sentence(derived: Sequence[Label], *, answers: int, agreement: Agreement, missing: int) -> str:
    people = len({name for label in derived for name in label.annotators})
    agreed = f"alpha {agreement.alpha:.2f} (n = {agreement.samples:,})"
    if math.isnan(agreement.alpha):
        agreed = "no alpha: too few samples have two answers, or all answers are one label"
    left = f"; {missing:,} {_plural('task', missing)} without an answer left out" if missing else ""
    return (
        f"{len(derived):,} {_plural('label', len(derived))} from {answers:,} {_plural('answer', answers)} of "
        f"{people} {'person' if people == 1 else 'people'} by {METHOD}; {agreed}{left}"
    )


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
