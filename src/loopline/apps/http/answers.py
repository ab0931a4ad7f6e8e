"""People's side of the control plane: claim tasks, answer them, pass them on, take an answer back."""

import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import Request, post
from litestar.exceptions import ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from loopline.annotate import stage as annotate
from loopline.apps.http.views import House
from loopline.errors import InvalidRecord
from loopline.records.ids import TaskId, VersionName
from loopline.records.settings import Settings
from loopline.records.signature import InputKind, JsonRow
from loopline.records.task import Annotation, Skip, Standing, Task

MOST_TASKS = 50
MOST_ANSWERS = 1_000
LONGEST_NAME, LONGEST_ID, LONGEST_REASON = 64, 128, 500


class ClaimRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for tasks."""

    annotator: str
    count: int = 1


class GivenAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer; ``id`` is the caller's idempotency key."""

    id: str
    task: str
    label: str
    seconds: float = 0.0


class AnswersRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person's answers."""

    annotator: str
    annotations: tuple[GivenAnswer, ...]


class SkipRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pass a task on."""

    annotator: str
    task: str
    reason: str = ""


class UndoRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take an own answer back."""

    annotator: str
    annotation: str


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the model would say, and which version says so."""

    label: str
    model: VersionName


class ShownTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task as its annotator sees it: nothing tells gold, reserve or audit apart, nor what others said."""

    id: str
    input: InputKind
    row: JsonRow
    labels: tuple[str, ...]
    suggestion: Suggestion | None


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Leased tasks, and how this annotator stands."""

    tasks: tuple[ShownTask, ...]
    paused: str
    """Why this annotator gets no tasks; empty when they may work."""
    lease_seconds: float
    answered: int
    """Answers that this annotator has given so far."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the answers were new."""

    accepted: int


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """The task that is open again."""

    task: ShownTask


def shown_to_people(task: Task, settings: Settings) -> ShownTask:
    """The task without anything that its annotator must not know."""
    suggestion = Suggestion(label=task.suggestion, model=task.suggested_by) if task.suggestion else None
    signature = settings.signature
    row = signature.spelled(signature.decode(task.inputs))
    return ShownTask(id=task.id, input=signature.input, row=row, labels=signature.labels, suggestion=suggestion)


def named(annotator: str) -> str:
    """The annotator's name, if it can be one. Raises InvalidRecord."""
    if not 1 <= len(annotator) <= LONGEST_NAME or not annotator.isprintable() or annotator != annotator.strip():
        found = f"{annotator[:80]!r} ({len(annotator)} characters)"
        expected = f"1 to {LONGEST_NAME} printable characters, no blank at either end"
        raise InvalidRecord("annotator", found=found, expected=expected)
    return annotator


def identified(thing: str, name: str) -> str:
    """The id, if it can be one. Raises InvalidRecord."""
    if not 1 <= len(name) <= LONGEST_ID:
        raise InvalidRecord(f"{thing} id", found=f"{len(name)} characters", expected=f"1 to {LONGEST_ID}")
    return name


def checked(answer: GivenAnswer, labels: tuple[str, ...]) -> GivenAnswer:
    """The answer, if it can be one. Raises InvalidRecord that names what was found and expected."""
    thing = f"annotation {identified('annotation', answer.id)}"
    identified("task", answer.task)
    if answer.label not in labels:
        raise InvalidRecord(thing, found=f"label {answer.label[:80]!r}", expected=f"one of {', '.join(labels)}")
    if not (math.isfinite(answer.seconds) and answer.seconds >= 0):
        raise InvalidRecord(thing, found=f"{answer.seconds} seconds", expected="a finite number of 0 or more")
    return answer


def between(thing: str, number: int, most: int) -> int:
    """The number, if it lies in 1 to ``most``. Raises InvalidRecord."""
    if not 1 <= number <= most:
        raise InvalidRecord(thing, found=str(number), expected=f"1 to {most}")
    return number


PLACE = re.compile(r"(.*) - at `\$\.?(.*)`")


def strictly(kind: type[msgspec.Struct]) -> Callable[[Request[Any, Any, Any]], Awaitable[None]]:
    """Refuses a body whose values are of another type, before the framework reads ``"3"`` as 3."""

    async def check(request: Request[Any, Any, Any]) -> None:
        try:
            msgspec.json.decode(await request.body(), type=kind)
        except msgspec.ValidationError as error:
            found = PLACE.fullmatch(str(error))
            message, key = (found[1], found[2]) if found else (str(error), "")
            raise ValidationException(extra=[{"key": key or "data", "message": message}]) from error
        except msgspec.DecodeError:
            return  # no JSON at all: the framework says where it ends

    return check


def answer_routes(house: House) -> list[HTTPRouteHandler]:
    """The routes of people's work over this house."""
    settings, loop = house.settings, house.settings.name

    @post("/api/claim", sync_to_thread=True, status_code=200, before_request=strictly(ClaimRequest))
    def claim(data: JSONBody[ClaimRequest]) -> Claimed:
        """Lease tasks to an annotator; the ones they hold already come first."""
        annotator, most = named(data.annotator), between("count", data.count, MOST_TASKS)
        reason = _paused(house, annotator)
        tasks: tuple[Task, ...] = ()
        if not reason:
            now, secret = house.clock.now(), house.secret
            tasks = annotate.claim(
                annotator, count=most, queue=house.queue, book=house.book, settings=settings, now=now, secret=secret
            )
        return Claimed(
            tasks=tuple(shown_to_people(task, settings) for task in tasks),
            paused=reason,
            lease_seconds=settings.annotate.lease_seconds,
            answered=house.book.answered(loop, annotator)[0],
        )

    @post("/api/annotations", sync_to_thread=True, status_code=200, before_request=strictly(AnswersRequest))
    def annotations(data: JSONBody[AnswersRequest]) -> Accepted:
        """Store answers; the same id twice is one answer."""
        annotator, now = named(data.annotator), house.clock.now()
        between("annotations", len(data.annotations), MOST_ANSWERS)
        given = [checked(answer, settings.signature.labels) for answer in data.annotations]
        stored = [
            Annotation(id=a.id, task=TaskId(a.task), annotator=annotator, label=a.label, at=now, seconds=a.seconds)
            for a in given
        ]
        return Accepted(accepted=house.queue.submit(stored, loop=loop))

    @post("/api/skip", sync_to_thread=True, status_code=200, before_request=strictly(SkipRequest))
    def skip(data: JSONBody[SkipRequest]) -> dict[str, str]:
        """Give a task back; this annotator is not asked about it again."""
        task = TaskId(identified("task", data.task))
        if len(data.reason) > LONGEST_REASON:
            found = f"{len(data.reason)} characters"
            raise InvalidRecord("reason", found=found, expected=f"at most {LONGEST_REASON}")
        passed = Skip(task=task, annotator=named(data.annotator), reason=data.reason, at=house.clock.now())
        house.queue.skip(passed, loop=loop)
        return {"skipped": task}

    @post("/api/undo", sync_to_thread=True, status_code=200, before_request=strictly(UndoRequest))
    def undo(data: JSONBody[UndoRequest]) -> Undone:
        """Take an own answer back and lease its task to its author again."""
        annotation, annotator = identified("annotation", data.annotation), named(data.annotator)
        task = house.queue.withdraw(annotation, loop=loop, annotator=annotator, now=house.clock.now())
        return Undone(task=shown_to_people(task, settings))

    return [claim, annotations, skip, undo]


def _paused(house: House, annotator: str) -> str:
    standings = house.ledger.all(Standing, house.settings.name)
    return next((s.reason for s in standings if s.annotator == annotator and s.state == "paused"), "")
