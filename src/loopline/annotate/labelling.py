"""From the answers of a batch to its labels, in one pass."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from loopline.annotate.evidence import Heard
from loopline.annotate.reviewing import sheet_of
from loopline.annotate.rulings import Rulings, is_certain, softened
from loopline.errors import InvalidRecord, NotFound
from loopline.ports.sheet import Consensus, Sheet
from loopline.records.cycle import Cycle
from loopline.records.ids import Digest, TaskId
from loopline.records.label import Label, LabelBatch
from loopline.records.task import Annotation, Task

DIGITS = 9
"""Posteriors are rounded so: the last bits differ between processors."""
NO_RULINGS = Rulings(known={}, soft={}, out=frozenset())


class Method(NamedTuple):
    """How answers become labels."""

    name: str
    """With version: ``dawid-skene.v1``."""
    agreed: Callable[[Sheet], Consensus]
    labels: tuple[str, ...]


class _Derived(NamedTuple):
    """The labels of a batch, and what they rest on."""

    labels: tuple[Label, ...]
    alpha: float
    alpha_n: int
    annotations: int
    """Answers that are not to gold."""
    answers: tuple[str, ...]


def labelled(
    said: Heard,
    *,
    cycle: Cycle,
    method: Method,
    rulings: Rulings = NO_RULINGS,
    late: Sequence[Label] = (),
    sealed: frozenset[str] = frozenset(),
) -> LabelBatch:
    """The labels of the answered tasks, by task id, gold aside; then ``late`` ones, which a decision gave since.

    Gold tasks give no labels: they tell how each person errs. What an adjudicator found stands over the answers. Tasks
    without an answer, and those that a finding leaves without a label, are left out and counted. A sample that was
    asked about again and is ``sealed``, by content, judges models as before; one that has a late label keeps that.
    """
    rulings, late = _together(said, rulings, late)
    made = _derived(said, number=cycle.number, method=method, rulings=rulings, sealed=sealed)
    return LabelBatch(
        id=f"cycle-{cycle.number}",
        loop=cycle.loop,
        cycle=cycle.number,
        method=method.name,
        labels=(*made.labels, *late),
        alpha=made.alpha,
        alpha_n=made.alpha_n,
        annotations=made.annotations,
        reason=_sentence(made, said, method=method, rulings=rulings, late=len(late)),
        answers=made.answers,
    )


def _together(said: Heard, rulings: Rulings, late: Sequence[Label]) -> tuple[Rulings, tuple[Label, ...]]:
    """Late labels of samples that this batch asks about again are findings about its own tasks; the others stay late.

    So each content has one label, and what is derived anew is the same.
    """
    own = {task.content: task.id for task in said.tasks if task.stratum != "gold"}
    told = {answer.task for answer in said.annotations}
    met = {own[one.content]: one for one in late if one.content in own and own[one.content] not in rulings.settled}
    known = {name: (one.label, one.decided_by) for name, one in met.items() if is_certain(one.posterior)}
    soft = {name: one.decided_by for name, one in met.items() if name not in known and name in told}
    found = rulings._replace(known={**known, **rulings.known}, soft={**soft, **rulings.soft})
    return found, tuple(one for one in late if own.get(one.content) not in found.settled)


def recomputed(
    batch: LabelBatch, tasks: Sequence[Task], annotations: Sequence[Annotation], *, method: Method
) -> LabelBatch:
    """The batch derived anew from the very answers it was derived from: the same bytes, whatever was said since.

    By its own method; another one shows what that would have made of the same answers. What was decided then is read
    off the batch itself, and its sentence, which tells of that moment, is kept. ``tasks``, ``annotations``: all there
    are of its cycle. Raises InvalidRecord for a batch that does not say which answers those were, NotFound for one
    that is not among ``annotations``.
    """
    if batch.annotations and not batch.answers:
        expected = "the answers it was derived from"
        raise InvalidRecord(f"labels {batch.id}", found="no ids of answers", expected=expected)
    said = {answer.id: answer for answer in annotations}
    for missing in (name for name in batch.answers if name not in said):
        raise NotFound("answer", missing)
    made = _rebuilt(batch, Heard(tasks, [said[name] for name in batch.answers]), method=method)
    is_as_before = math.isclose(made.alpha, batch.alpha, abs_tol=1e-8)  # its last bits are the processor's
    return LabelBatch(
        id=batch.id,
        loop=batch.loop,
        cycle=batch.cycle,
        method=method.name,
        labels=made.labels,
        alpha=batch.alpha if is_as_before else made.alpha,
        alpha_n=made.alpha_n,
        annotations=made.annotations,
        reason=batch.reason,
        answers=made.answers,
    )


def without(batch: LabelBatch, said: Heard, *, annotator: str, method: Method) -> dict[Digest, str]:
    """Content -> what the label would be, had this person not answered; contents that nobody else answered are not in.

    ``said``: all tasks of the batch's cycle, and all answers to them.
    """
    counted = frozenset(batch.answers) or frozenset(one.id for one in said.annotations)
    rest = [one for one in said.annotations if one.id in counted and one.annotator != annotator]
    made = _rebuilt(batch, Heard(said.tasks, rest), method=method)
    return {label.content: label.label for label in made.labels}


def _rebuilt(batch: LabelBatch, heard: Heard, *, method: Method) -> _Derived:
    """What these answers give, with all that was decided when the batch was labelled."""
    own = {task.content: task for task in heard.tasks if task.stratum != "gold"}
    found = {own[one.content].id: one for one in batch.labels if one.decided_by and one.content in own}
    then = Rulings(
        known={name: (one.label, one.decided_by) for name, one in found.items() if is_certain(one.posterior)},
        soft={name: one.decided_by for name, one in found.items() if not is_certain(one.posterior)},
        out=frozenset(),
    )
    sealed = frozenset(one.content for one in batch.labels if one.stratum == "reserve")
    made = _derived(heard, number=batch.cycle, method=method, rulings=then, sealed=sealed)
    late = tuple(one for one in batch.labels if one.content not in own)
    return made._replace(labels=(*made.labels, *late))


def _derived(heard: Heard, *, number: int, method: Method, rulings: Rulings, sealed: frozenset[str]) -> _Derived:
    annotations = heard.annotations
    told = ({answer.task for answer in annotations} | rulings.known.keys()) - rulings.out
    batch = sorted((task for task in heard.tasks if task.id in told), key=lambda task: task.id)
    known = {name: answer for name, (answer, _) in rulings.known.items()}
    plain = [task for task in batch if task.id not in rulings.soft]
    sheet, _ = sheet_of(plain, annotations, labels=len(method.labels), known=known)
    consensus = method.agreed(sheet)
    derived = {
        task.id: (answer, tuple(row))
        for task, answer, row in zip(
            plain, consensus.answer, consensus.posterior.round(DIGITS).tolist(), strict=True
        )
    }  # fmt: skip
    derived |= softened([task for task in batch if task.id in rulings.soft], annotations, labels=method.labels)
    names = _names(annotations)
    labels = tuple(
        Label(
            sample=task.sample,
            content=task.content,
            inputs=task.inputs,
            cycle=number,
            stratum="reserve" if task.stratum == "relabel" and task.content in sealed else task.stratum,
            label=derived[task.id][0],
            posterior=derived[task.id][1],
            decided_by=rulings.by(task.id),
            annotators=names.get(task.id, ()),
        )
        for task in batch
        if task.stratum != "gold"
    )
    alpha, alpha_n = _agreement(batch, annotations, consensus=consensus, method=method, rulings=rulings)
    asked = {task.id for task in batch}
    is_gold = {task.id for task in batch if task.stratum == "gold"}
    counted = [one for one in annotations if one.task in asked]
    return _Derived(
        labels=labels,
        alpha=alpha,
        alpha_n=alpha_n,
        annotations=sum(one.task not in is_gold for one in counted),
        answers=tuple(sorted(one.id for one in counted)),
    )


def _agreement(
    batch: Sequence[Task],
    annotations: Sequence[Annotation],
    *,
    consensus: Consensus,
    method: Method,
    rulings: Rulings,
) -> tuple[float, int]:
    """Krippendorff's alpha and the tasks behind it: people disagreed, whatever an adjudicator found afterwards."""
    if rulings.known or rulings.soft:
        sheet, _ = sheet_of(batch, annotations, labels=len(method.labels), known={})
        consensus = method.agreed(sheet)
    return (-1.0, 0) if math.isnan(consensus.alpha) else (consensus.alpha, consensus.alpha_n)


def _names(annotations: Sequence[Annotation]) -> dict[TaskId, tuple[str, ...]]:
    """The names behind the answers to each task, sorted."""
    names: dict[TaskId, set[str]] = {}
    for one in annotations:
        names.setdefault(one.task, set()).add(one.annotator)
    return {task: tuple(sorted(group)) for task, group in names.items()}


def _sentence(made: _Derived, said: Heard, *, method: Method, rulings: Rulings, late: int) -> str:
    people = len({name for label in made.labels for name in label.annotators})
    agreed = f"alpha {made.alpha:.2f} (n = {made.alpha_n:,})"
    if not made.alpha_n:
        agreed = "no alpha: too few samples have two answers, or all answers are one label"
    parts = [
        f"{_count(len(made.labels), 'label')} from {_count(made.annotations, 'answer')} of "
        f"{people} {'person' if people == 1 else 'people'} by {method.name}",
        agreed,
        lacking(said.tasks, said.annotations, rulings=rulings),
        rulings.sentence,
        f"{_count(late, 'label')} of earlier cycles changed by decisions" if late else "",
    ]
    return "; ".join(part for part in parts if part)


def lacking(tasks: Sequence[Task], annotations: Sequence[Annotation], *, rulings: Rulings = NO_RULINGS) -> str:
    """What a batch was labelled without, in words; empty where all that was wanted is there.

    >>> from loopline.testing.factories import annotation, task
    >>> lacking([task("t1"), task("t2", wanted=2), task("t3", stratum="audit")], [annotation(task="t2")])
    '2 of 3 tasks without an answer (1 chosen, 1 audit), 1 answered by fewer people than wanted'
    """
    awaited = [task for task in tasks if task.stratum != "gold" and task.id not in rulings.settled]
    said = Counter(one.task for one in annotations)
    strata = Counter(task.stratum for task in awaited if not said[task.id])
    few = sum(0 < said[task.id] < task.wanted for task in awaited)
    of_each = ", ".join(f"{strata[one]:,} {one}" for one in ("chosen", "audit", "reserve", "relabel") if strata[one])
    silent = f"{strata.total():,} of {_count(len(awaited), 'task')} without an answer ({of_each})"
    thin = f"{few:,} answered by fewer people than wanted"
    return ", ".join([silent] * bool(strata) + [thin] * bool(few))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else f'{noun}s'}"
