"""What leaves the loop: tasks for whoever labels them elsewhere, and for the record, answers and labels.

Sealed samples stay: the record of tasks, answers and labels leaves those of the reserve out, since numbers come out of
the reserve and rows do not. Tasks for labelling hold them, as they hold all others, and nothing tells them apart.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, get_args

from loopline.apps.tasks.bringing import open_batch
from loopline.apps.tasks.label_studio import task_as_imported
from loopline.errors import InvalidRecord, NotFound
from loopline.ports.clock import Clock
from loopline.ports.ledger import Ledger
from loopline.ports.role_book import RoleBook
from loopline.ports.task_queue import AnswerBook
from loopline.records.cycle import Cycle
from loopline.records.label import Label, LabelBatch
from loopline.records.settings import Settings
from loopline.records.signature import Signature
from loopline.records.task import Annotation, Task

What = Literal["tasks", "annotations", "labels"]
WHATS: Final[tuple[What, ...]] = get_args(What)
Purpose = Literal["record", "labelling"]
"""``labelling``: for whoever is to answer; carries nothing that they must not know."""
Form = Literal["label-studio", "csv", "jsonl", "parquet"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
OPEN, ALL = "open", "all"


class Rooms(Protocol):
    """What exporting needs of the house."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def clock(self) -> Clock:
        """Tells the time."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Every stored record."""
        ...

    @property
    def roles(self) -> RoleBook:
        """Which samples judge, and which are learned."""
        ...

    @property
    def book(self) -> AnswerBook:
        """Reads what people said."""
        ...

    @property
    def secret(self) -> bytes:
        """Keys the reserve."""
        ...


class Order(NamedTuple):
    """What is asked for."""

    what: What = "tasks"
    cycle: str = OPEN
    """``open``, ``all``, or a number."""
    purpose: Purpose = "record"
    form: Form = "jsonl"


def rows(house: Rooms, order: Order) -> Iterator[dict[str, Any]]:
    """Each row that was asked for, cycle by cycle, by id; one cycle is in memory at a time.

    Raises NotFound for an unknown cycle, Conflict while no batch is open, InvalidRecord for what does not go together;
    all before the first row.
    """
    _require(order)
    numbers = _cycles(house, order)
    spelled = {"tasks": _tasks, "annotations": _annotations, "labels": _labels}[order.what]
    return (row for number in numbers for row in spelled(house, number, order))


def _require(order: Order) -> None:
    if order.what != "tasks" and order.purpose == "labelling":
        raise InvalidRecord("export for labelling", found=order.what, expected="tasks")
    if order.what == "labels" and order.form == "label-studio":
        raise InvalidRecord("labels as label-studio", found="no such format", expected="csv, jsonl or parquet")
    if order.purpose == "labelling" and order.cycle != OPEN:
        found = f"cycle {order.cycle[:20]}"
        raise InvalidRecord("export for labelling", found=found, expected="the open batch: answers to others come late")


def _cycles(house: Rooms, order: Order) -> tuple[int, ...]:
    if order.cycle == OPEN:
        return (open_batch(house).number,)
    numbers = tuple(cycle.number for cycle in house.ledger.all(Cycle, house.settings.name))
    if order.cycle == ALL:
        return tuple(sorted(numbers))
    known = {str(number): number for number in numbers}
    if order.cycle not in known:
        raise NotFound("cycle", order.cycle[:40], known=(OPEN, ALL, *known))
    return (known[order.cycle],)


def _tasks(house: Rooms, cycle: int, order: Order) -> Iterator[dict[str, Any]]:
    settings, judging = house.settings, house.roles.reserved(house.settings.name)
    said = house.book.answers(settings.name, cycle=cycle)
    answers: dict[str, int] = {}
    for one in said.annotations:
        answers[one.task] = answers.get(one.task, 0) + 1
    for task in said.tasks:
        given = answers.get(task.id, 0)
        if order.purpose == "labelling":
            most = max(task.wanted, settings.annotate.overlap_min)  # one rule for all: known ones want one answer
            if task.wanted and given < most:
                is_for_them = order.form == "label-studio"
                yield task_as_imported(task, settings=settings) if is_for_them else _for_labelling(task, settings)
        elif not _is_sealed(task, judging):
            is_for_them = order.form == "label-studio"
            yield task_as_imported(task, settings=settings) if is_for_them else _for_record(task, given, settings)


def _is_sealed(one: Task | Label, judging: frozenset[str]) -> bool:
    """Whether it judges models: also where it is asked about once more, by what it is about."""
    return one.stratum == "reserve" or one.content in judging


def _for_labelling(task: Task, settings: Settings) -> dict[str, Any]:
    return {
        "task": task.id,
        **inputs_of(task.inputs, settings.signature),
        "suggestion": task.suggestion,
        "suggested_by": task.suggested_by,
    }


def _for_record(task: Task, answers: int, settings: Settings) -> dict[str, Any]:
    return {
        "task": task.id,
        "cycle": task.cycle,
        "stratum": task.stratum,
        "sample": task.sample,
        "content": task.content,
        **inputs_of(task.inputs, settings.signature),
        "suggestion": task.suggestion,
        "suggested_by": task.suggested_by,
        "withheld": task.withheld,
        "gold": task.gold,
        "wanted": task.wanted,
        "answers": answers,
        "priority": task.priority,
        "skill": task.skill,
        "language": task.language,
        "cluster": task.cluster,
        "guideline": task.guideline,
    }


def _annotations(house: Rooms, cycle: int, order: Order) -> Iterator[dict[str, Any]]:
    settings, judging = house.settings, house.roles.reserved(house.settings.name)
    said = house.book.answers(settings.name, cycle=cycle)
    stands = {one.id for one in said.annotations}
    tasks = {task.id: task for task in said.tasks if not _is_sealed(task, judging)}
    if order.form == "label-studio":
        by_task: dict[str, list[Annotation]] = {}
        for one in said.annotations:
            by_task.setdefault(one.task, []).append(one)
        for name in (name for name in tasks if name in by_task):
            yield task_as_imported(tasks[name], settings=settings, said=by_task[name])
        return
    for one in house.book.given(settings.name, cycle=cycle):
        if one.task in tasks:
            yield _answer(one, tasks[one.task], stands=one.id in stands)


def _answer(one: Annotation, task: Task, *, stands: bool) -> dict[str, Any]:
    return {
        "id": one.id,
        "task": one.task,
        "cycle": task.cycle,
        "stratum": task.stratum,
        "annotator": one.annotator,
        "label": one.label,
        "seconds": one.seconds,
        "at": one.at.isoformat(),
        "comment": one.comment,
        "flagged": one.is_flagged,
        "bulk": one.is_bulk,
        "stands": stands,
    }


def _labels(house: Rooms, cycle: int, order: Order) -> Iterator[dict[str, Any]]:  # noqa: ARG001  one shape in every format
    try:
        batch = house.ledger.get(LabelBatch, f"cycle-{cycle}", loop=house.settings.name)
    except NotFound:
        return
    judging = house.roles.reserved(house.settings.name)
    for label in batch.labels:
        if not _is_sealed(label, judging):
            yield _label(label, batch, house.settings)


def _label(label: Label, batch: LabelBatch, settings: Settings) -> dict[str, Any]:
    return {
        "sample": label.sample,
        "cycle": label.cycle,
        "stratum": label.stratum,
        "content": label.content,
        **inputs_of(label.inputs, settings.signature),
        "label": label.label,
        "posterior": list(label.posterior),
        "decided_by": label.decided_by,
        "annotators": list(label.annotators),
        "method": batch.method,
    }


def inputs_of(inputs: bytes, signature: Signature) -> Mapping[str, Any]:
    """The sample in columns: ``text``, ``image`` in base64, or ``x0``, ``x1``, ....

    >>> inputs_of(b"[1.0,2.5]", Signature(input="tabular", width=2, labels=("a", "b")))
    {'x0': 1.0, 'x1': 2.5}
    """
    row = signature.decode(inputs)
    if isinstance(row, tuple):
        return {f"x{place}": number for place, number in enumerate(row)}
    return {signature.input: signature.spelled(row)}
