"""Samples that no model of ours saw: they become tasks of the open batch, asked about and learned from."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol

from blake3 import blake3

from loopline.annotate.assignment import place, task_id
from loopline.apps.export.formats import KINDS as IMAGES
from loopline.apps.export.formats import kind_of
from loopline.apps.importing.columns import Columns
from loopline.apps.tasks.account import Imported, Row, Tally
from loopline.capture.reserve import Sealing
from loopline.errors import Conflict, InvalidRecord
from loopline.ports.clock import Clock
from loopline.ports.ledger import Ledger
from loopline.ports.role_book import RoleBook
from loopline.ports.task_queue import AnswerBook
from loopline.records.cycle import Cycle
from loopline.records.guideline import Guideline
from loopline.records.ids import CommandId, Digest, PredictionId
from loopline.records.lineage import Activity, Entry, Event
from loopline.records.settings import Settings
from loopline.records.signature import Row as Input
from loopline.records.signature import Signature
from loopline.records.task import Task
from loopline.serve.grouping import group_of

KEPT_APART: Final = "one that this loop does not keep apart"
"""Why a sample is not taken that judges models, or would: no more is said of it."""
LONGEST: Final = 64
"""Characters of a skill, a language or an id."""
OTHERS: Final = frozenset({"id", "label", "annotator", "task", "skill", "language"})


class Rooms(Protocol):
    """What bringing in samples needs of the house."""

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


class Sample(NamedTuple):
    """A row that can be asked about."""

    name: str
    """As the file calls it; empty where it does not."""
    inputs: bytes
    content: Digest
    group: str
    skill: str
    language: str


def bring_in(house: Rooms, rows: Iterable[Row], *, actor: str, is_dry: bool) -> Imported:
    """Ask about the samples in these rows, once each, in the batch that is open; a second time it changes nothing.

    A sample that judges models, or would if it came as traffic, stays out. Raises Conflict while no batch is open.
    """
    cycle = open_batch(house)
    tally, made = Tally(is_dry=is_dry), dict[str, Task]()
    known = {task.content for task in house.book.answers(house.settings.name, cycle=cycle.number).tasks}
    apart = _Apart(house)
    guideline = max((one.version for one in house.ledger.all(Guideline, house.settings.name)), default=0)
    for row in rows:
        try:
            sample = _sample(row, house.settings.signature)
            apart.require(sample)
        except InvalidRecord as error:
            tally.refuse(row.number, str(error))
            continue
        if sample.content in known:
            tally.repeated += 1
            continue
        known.add(sample.content)
        tally.stored += 1
        made[sample.content] = _task(sample, cycle=cycle, settings=house.settings, guideline=guideline)
    if made and not is_dry:
        _publish(house, tuple(made.values()), cycle=cycle, actor=actor)
    return tally.told()


def open_batch(house: Rooms) -> Cycle:
    """The cycle whose batch people are labelling. Raises Conflict."""
    newest = max(house.ledger.all(Cycle, house.settings.name), key=lambda cycle: cycle.number, default=None)
    if newest is None or newest.phase != "published":
        found = "no batch is open" if newest is None else f"no batch is open (cycle {newest.number}: {newest.phase})"
        remedy = "try again once 'loopline status' says that people are labelling"
        raise Conflict("tasks", found=found, expected="an open one to put them in", remedy=remedy)
    return newest


class _Apart:
    """Knows what may not be asked about in order to be learned."""

    def __init__(self, house: Rooms) -> None:
        self._reserved = house.roles.reserved(house.settings.name)
        self._sealing = Sealing(house.secret, share=house.settings.capture.reserve)

    def require(self, sample: Sample) -> None:
        """Raise InvalidRecord for a sample that judges, by the role book or by the draw that its traffic undergoes."""
        if sample.content in self._reserved or self._sealing.role(sample.group) == "reserve":
            raise InvalidRecord("sample", found="not taken", expected=KEPT_APART)


def _sample(row: Row, signature: Signature) -> Sample:
    if row.content is None:
        raise InvalidRecord("row", found=row.trouble, expected="a sample")
    held = row.content.get("data")
    fields = dict(held) if isinstance(held, Mapping) else dict(row.content)
    read = _input(fields, signature)
    if isinstance(read, bytes) and not kind_of(read):
        kinds = ", ".join(kind for _, kind in IMAGES)
        raise InvalidRecord("image", found=f"bytes {read[:8]!r}", expected=f"one of {kinds}, in base64")
    inputs = signature.encode(read)
    content = Digest(blake3(inputs).hexdigest())
    name, skill, language = (_name(fields, field) for field in ("id", "skill", "language"))
    return Sample(name, inputs, content, group_of(read, content=content), skill, language)


def _input(fields: Mapping[str, Any], signature: Signature) -> Input:
    found = _spelled(fields, signature)
    if isinstance(found, list):
        found = tuple(_number(one) for one in found)
    if not isinstance(found, str | tuple):
        said = f"fields {', '.join(map(str, fields))[:120] or 'none'}"
        expected = {"text": "text", "image": "image", "tabular": "features, or one field each"}[signature.input]
        raise InvalidRecord("row", found=said, expected=expected)
    if isinstance(found, str):
        try:
            found.encode()
        except UnicodeEncodeError as error:
            raise InvalidRecord("row", found="half a surrogate pair", expected="whole characters") from error
        found = found.partition("base64,")[2] if signature.input == "image" and found[:5] == "data:" else found
    return signature.read(found)


def _spelled(fields: Mapping[str, Any], signature: Signature) -> object:
    """What stands for the input: a field of its name, ``features``, ``table``, or all that mean nothing else."""
    if signature.input != "tabular":
        return fields.get(signature.input)
    if isinstance(table := fields.get("table"), Mapping):
        return list(table.values())
    names = [name for name in fields if name not in OTHERS]
    columns = Columns(names, signature=signature, file="row")
    try:
        return columns.fields(fields).get("features")
    except ValueError as error:
        raise InvalidRecord("row", found=str(error), expected="numbers") from error


def _number(given: object) -> float:
    try:
        if isinstance(given, int | float) and not isinstance(given, bool):
            return float(given)
    except OverflowError:
        return math.inf
    raise InvalidRecord("row", found=f"feature {given!r:.40}", expected="a number")


def _name(fields: Mapping[str, Any], field: str) -> str:
    found = fields.get(field)
    if found in (None, ""):
        return ""
    if not isinstance(found, str | int) or len(str(found)) > LONGEST or not str(found).isprintable():
        raise InvalidRecord(field, found=f"{found!r:.80}", expected=f"at most {LONGEST} printable characters")
    return str(found)


def _task(sample: Sample, *, cycle: Cycle, settings: Settings, guideline: int) -> Task:
    name, source = task_id(cycle, sample.content), PredictionId(f"import/{sample.name or sample.content[:24]}")
    return Task(
        id=name,
        loop=cycle.loop,
        cycle=cycle.number,
        sample=source,
        content=sample.content,
        stratum="relabel",
        inputs=sample.inputs,
        wanted=settings.annotate.overlap_min,
        priority=place(name, source, step=0),
        skill=sample.skill,
        language=sample.language,
        guideline=guideline,
    )


def _publish(house: Rooms, tasks: tuple[Task, ...], *, cycle: Cycle, actor: str) -> None:
    name = blake3("".join(sorted(task.id for task in tasks)).encode()).hexdigest(length=8)
    command, now = CommandId(f"{cycle.id}/import/{name}"), house.clock.now()
    activity = Activity(
        id=command, loop=cycle.loop, kind="ImportTasks", cycle=cycle.number, started=now, ended=now, actor=actor,
        used=(), generated=(f"tasks:cycle-{cycle.number}/import-{name}",),
    )  # fmt: skip
    event = Event(
        id=f"{command}/event", type="tasks.imported", source=f"/loops/{cycle.loop}", subject=command, time=now,
        text=f"{actor} brought {len(tasks):,} samples from outside into the batch of cycle {cycle.number}",
    )  # fmt: skip
    house.ledger.commit(Entry(id=command, tasks=tasks, activity=activity, events=(event,)))
