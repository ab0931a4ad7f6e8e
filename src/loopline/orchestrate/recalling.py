"""Whose word rests on whom: the labels that hang on one person, what learned them, and asking about them again."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

from msgspec import structs

from loopline.annotate.assignment import Ground, again_of, spelling
from loopline.annotate.evidence import Heard
from loopline.annotate.labelling import Method, without
from loopline.dataset import stage as dataset
from loopline.orchestrate import findings, known
from loopline.orchestrate.installation import Installation
from loopline.records.cycle import Cycle
from loopline.records.ids import Digest, VersionName
from loopline.records.label import Label, LabelBatch
from loopline.records.model import ModelVersion
from loopline.records.task import Task


class Rests(NamedTuple):
    """A label that hangs on one person's answers."""

    cycle: int
    content: Digest
    sample: str
    stratum: str
    label: str
    without: str
    """What it is without them; empty where nobody else answered."""


class Affected(NamedTuple):
    """What rests on one person."""

    samples: tuple[Rests, ...]
    """By cycle and content."""
    batches: tuple[str, ...]
    """Ids of the label batches that hold these."""
    datasets: tuple[str, ...]
    """Names of the versions that hold these labels, oldest first."""
    models: tuple[VersionName, ...]
    """The versions that were trained on those."""


def affected(house: Installation, annotator: str) -> Affected:
    """The labels that one person alone gave, or that would be others without them, and where these have come to.

    Only labels that still hold: not those that a later cycle or an adjudicator settled.
    """
    batches = house.ledger.all(LabelBatch, house.settings.name)
    newest = {label.content: (batch.cycle, label) for batch in batches for label in batch.labels}
    samples: list[Rests] = []
    for batch in batches:
        own = [o for o in batch.labels if _hangs(o, annotator) and newest[o.content] == (batch.cycle, o)]
        samples += _resting(house, batch, own, annotator=annotator) if own else []
    of = {(one.content, one.cycle) for one in samples}
    names = _learned(house, of)
    models = house.ledger.all(ModelVersion, house.settings.name)
    return Affected(
        samples=tuple(sorted(samples)),
        batches=tuple(batch.id for batch in batches if any(one.cycle == batch.cycle for one in samples)),
        datasets=tuple(names.values()),
        models=tuple(model.name for model in models if model.dataset in names),
    )


def _hangs(label: Label, annotator: str) -> bool:
    return annotator in label.annotators and not label.decided_by


def _resting(house: Installation, batch: LabelBatch, own: list[Label], *, annotator: str) -> list[Rests]:
    """Those of a person's labels in this batch that are others, or none, without their answers."""
    loop, labels = house.settings.name, house.settings.signature.labels
    tasks = house.book.answers(loop, cycle=batch.cycle).tasks
    method = Method(house.question.method, partial(house.question.agreed, labels=labels), labels)
    given = house.book.given(loop, cycle=batch.cycle)
    rest = without(batch, Heard(tasks, given), annotator=annotator, method=method)
    return [
        Rests(batch.cycle, one.content, one.sample, one.stratum, one.label, rest.get(one.content, ""))
        for one in own
        if rest.get(one.content, "") != one.label
    ]


def _learned(house: Installation, of: set[tuple[Digest, int]]) -> dict[Digest, str]:
    """Dataset versions, id -> name, that hold one of these labels: content, and the cycle that gave it."""
    first = min((cycle for _, cycle in of), default=0)
    found = {}
    for version in known.datasets(house) if of else ():
        if version.cycle < first:
            continue
        rows = dataset.rows_of(version, objects=house.objects, columns=("content", "cycle"))
        if not of.isdisjoint(zip(rows["content"].to_pylist(), rows["cycle"].to_pylist(), strict=True)):
            found[version.id] = version.name
    return found


def joining(house: Installation) -> int:
    """The number of the cycle whose batch takes tasks that are brought now: the open one, until it is published.

    After that the next one: a batch that people are at work on does not grow. Its tasks can be claimed at once.
    """
    cycles = house.ledger.all(Cycle, house.settings.name)
    last = max(cycles, key=lambda cycle: cycle.number, default=None)
    if last is None:
        return 1
    return last.number if last.number and last.phase in ("open", "selected") else last.number + 1


def ground(house: Installation, cycle: Cycle, *, model: VersionName) -> Ground:
    """What all tasks of a cycle share."""
    settings = house.settings
    has_parts = bool(settings.annotate.skills or settings.annotate.languages)
    found = Ground(
        cycle=cycle,
        settings=settings,
        model=model,
        spell=spelling(partial(house.question.canonical, labels=settings.signature.labels)),
        guideline=findings.guideline(house),
    )
    return found._replace(segment_of=lambda name: house.log.find(name).segment) if has_parts else found


def asked_again(house: Installation, samples: Iterable[Rests], *, number: int) -> tuple[Task, ...]:
    """Tasks of cycle ``number`` about these samples, but for those that are asked about once more already."""
    wanted = {(one.cycle, one.content) for one in samples}
    pending = {task.content for task in _waiting(house, before=number + 1)}
    found = [
        task
        for cycle in sorted({cycle for cycle, _ in wanted})
        for task in house.book.answers(house.settings.name, cycle=cycle).tasks
        if (cycle, task.content) in wanted and task.content not in pending and task.stratum != "gold"
    ]
    cycles = house.ledger.all(Cycle, house.settings.name)
    if not found or not cycles:
        return ()
    turn = structs.replace(cycles[-1], number=number)
    return again_of(found, ground=ground(house, turn, model=VersionName("")))


def carried(house: Installation, cycle: Cycle) -> tuple[Task, ...]:
    """What was to be asked again, or brought, in earlier cycles that ended without labels: it is asked in this one."""
    return tuple({task.content: task for task in _waiting(house, before=cycle.number)}.values())


def _waiting(house: Installation, *, before: int) -> list[Task]:
    """The ``relabel`` tasks of the cycles since the last one with labels, up to this number: a batch takes them on."""
    loop = house.settings.name
    labelled = max((batch.cycle for batch in house.ledger.all(LabelBatch, loop) if batch.cycle < before), default=0)
    tasks = (task for number in range(labelled + 1, before) for task in house.book.answers(loop, cycle=number).tasks)
    return [task for task in tasks if task.stratum == "relabel"]


def met(house: Installation, contents: frozenset[Digest], *, before: int) -> Mapping[Digest, frozenset[str]]:
    """Who was asked about one of these contents in a cycle before this one, be it that they gave no answer."""
    loop = house.settings.name
    found: dict[Digest, frozenset[str]] = {}
    for cycle in house.ledger.all(Cycle, loop) if contents else ():
        tasks = house.book.answers(loop, cycle=cycle.number).tasks if cycle.number < before else ()
        for task in tasks:
            if task.content in contents:
                people = house.work.asked(loop, task=task.id).people
                found[task.content] = found.get(task.content, frozenset()) | people
    return found
