"""People's side of the control plane: claim tasks, answer them, hold them, pass them on, take an answer back."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, time
from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.exceptions import ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from loopline.annotate import stage as annotate
from loopline.apps.http.answering import (
    LONGEST_COMMENT,
    LONGEST_REASON,
    GivenAnswer,
    checked,
    identified,
    written,
)
from loopline.apps.http.caller import annotator_of, caller_of
from loopline.apps.http.showing import Person, Showing, ShownTask, person_of
from loopline.apps.http.views import House
from loopline.errors import InvalidRecord
from loopline.records.ids import TaskId
from loopline.records.task import Annotation, Claim, Skip, Standing, Task

MOST_TASKS: Final = 50
MOST_HELD: Final = 1_000
MOST_ANSWERS: Final = 1_000
AnyRequest = Request[Any, Any, Any]


class ClaimRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for tasks; ``annotator`` only where nobody has signed in."""

    annotator: str = ""
    count: int = 1
    like: str = ""
    """A task: those of its cluster come first, if it has one."""


class AnswersRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person's answers."""

    annotator: str = ""
    annotations: tuple[GivenAnswer, ...]


class SkipRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pass a task on."""

    annotator: str = ""
    task: str
    reason: str = ""
    comment: str = ""


class UndoRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take an own answer back."""

    annotator: str = ""
    annotation: str


class HoldRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Go on holding these tasks, and give all others back."""

    annotator: str = ""
    tasks: tuple[str, ...]


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """Leased tasks, and how this annotator stands."""

    tasks: tuple[ShownTask, ...]
    paused: str
    """Why this annotator gets no tasks; empty when they may work."""
    lease_seconds: float
    answered: int
    """Answers that this annotator has given so far."""
    quota_left: int | None
    """Answers that they may still give in this UTC day; None: any number."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the answers were new."""

    accepted: int


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """The task that is open again."""

    task: ShownTask


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks are held now, and for how long."""

    held: int
    lease_seconds: float


def between(thing: str, number: int, most: int) -> int:
    """The number, if it lies in 1 to ``most``. Raises InvalidRecord."""
    if not 1 <= number <= most:
        raise InvalidRecord(thing, found=str(number), expected=f"1 to {most}")
    return number


PLACE = re.compile(r"(.*) - at `\$\.?(.*)`")


def strictly(kind: type[msgspec.Struct]) -> Callable[[AnyRequest], Awaitable[None]]:
    """Refuses a body whose values are of another type, before the framework reads ``"3"`` as 3."""

    async def check(request: AnyRequest) -> None:
        try:
            msgspec.json.decode(await request.body(), type=kind)
        except msgspec.ValidationError as error:
            found = PLACE.fullmatch(str(error))
            message, key = (found[1], found[2]) if found else (str(error), "")
            raise ValidationException(extra=[{"key": key or "data", "message": message}]) from error
        except msgspec.DecodeError:
            return  # no JSON at all: the framework says where it ends

    return check


def answer_routes(house: House, *, showing: Showing) -> list[HTTPRouteHandler]:
    """The routes of people's work over this house."""
    return [*_asking_routes(house, showing), *_telling_routes(house, showing)]


def _asking_routes(house: House, showing: Showing) -> list[HTTPRouteHandler]:
    @post("/api/claim", sync_to_thread=True, status_code=200, before_request=strictly(ClaimRequest))
    def claim(request: AnyRequest, data: JSONBody[ClaimRequest]) -> Claimed:
        """Lease tasks to an annotator; the ones they hold already come first."""
        person, most = _person(request, data.annotator, house), between("count", data.count, MOST_TASKS)
        like = identified("task", data.like) if data.like else ""
        reason, left = paused(house, person.name), quota_left(house, person)
        most = most if left is None else min(most, left)  # gold of slots beyond it would take up what is left of it
        tasks = claimed(house, claim_of(person, house=house, count=most, like=like)) if most and not reason else ()
        return Claimed(
            tasks=tuple(showing.task(task, person) for task in tasks),
            paused=reason,
            lease_seconds=house.settings.annotate.lease_seconds,
            answered=house.book.answered(house.settings.name, person.name)[0],
            quota_left=left,
        )

    @post("/api/hold", sync_to_thread=True, status_code=200, before_request=strictly(HoldRequest))
    def hold(request: AnyRequest, data: JSONBody[HoldRequest]) -> Held:
        """Renew the leases of these tasks, and give back whatever else this annotator holds; no tasks: all of it."""
        annotator, settings = annotator_of(caller_of(request), data.annotator), house.settings
        if len(data.tasks) > MOST_HELD:
            raise InvalidRecord("tasks", found=f"{len(data.tasks):,}", expected=f"at most {MOST_HELD:,}")
        tasks, seconds = frozenset(TaskId(identified("task", one)) for one in data.tasks), lease_seconds(house)
        now = house.clock.now()
        held = house.queue.hold(tasks, loop=settings.name, annotator=annotator, now=now, seconds=seconds)
        return Held(held=held, lease_seconds=seconds)

    return [claim, hold]


def _telling_routes(house: House, showing: Showing) -> list[HTTPRouteHandler]:
    loop = house.settings.name

    @post("/api/annotations", sync_to_thread=True, status_code=200, before_request=strictly(AnswersRequest))
    def annotations(request: AnyRequest, data: JSONBody[AnswersRequest]) -> Accepted:
        """Store answers; the same id twice is one answer."""
        annotator, now = annotator_of(caller_of(request), data.annotator), house.clock.now()
        between("annotations", len(data.annotations), MOST_ANSWERS)
        stored = [annotation_of(one, checked(one, house), annotator=annotator, at=now) for one in data.annotations]
        return Accepted(accepted=house.queue.submit(stored, loop=loop))

    @post("/api/skip", sync_to_thread=True, status_code=200, before_request=strictly(SkipRequest))
    def skip(request: AnyRequest, data: JSONBody[SkipRequest]) -> dict[str, str]:
        """Give a task back, with a reason and a comment; this annotator is not asked about it again."""
        annotator, task = annotator_of(caller_of(request), data.annotator), TaskId(identified("task", data.task))
        said = (
            written("reason", data.reason, most=LONGEST_REASON),
            written("comment", data.comment, most=LONGEST_COMMENT),
        )
        reason = ": ".join(part for part in said if part)
        house.queue.skip(Skip(task=task, annotator=annotator, reason=reason, at=house.clock.now()), loop=loop)
        return {"skipped": task}

    @post("/api/undo", sync_to_thread=True, status_code=200, before_request=strictly(UndoRequest))
    def undo(request: AnyRequest, data: JSONBody[UndoRequest]) -> Undone:
        """Take an own answer back and lease its task to its author again, while its batch is open."""
        person, annotation = _person(request, data.annotator, house), identified("annotation", data.annotation)
        task = house.queue.withdraw(annotation, loop=loop, annotator=person.name, now=house.clock.now())
        return Undone(task=showing.task(task, person))

    return [annotations, skip, undo]


def claimed(house: House, claim: Claim) -> tuple[Task, ...]:
    """Tasks leased as claimed, of whatever strata are due: one path for all of them."""
    settings, now = house.settings, house.clock.now()
    return annotate.claim(claim, queue=house.queue, book=house.book, settings=settings, now=now, secret=house.secret)


def claim_of(person: Person, *, house: House, count: int, like: str = "") -> Claim:
    """What this person asks for; which strata they get is the stage's to say."""
    return Claim(
        annotator=person.name,
        count=count,
        strata=frozenset(),
        seconds=lease_seconds(house),
        skills=person.skills,
        languages=person.languages,
        quota=person.quota,
        like=like,
    )


def annotation_of(answer: GivenAnswer, label: str, *, annotator: str, at: datetime) -> Annotation:
    """The answer as it is stored, with the canonical spelling of its label."""
    return Annotation(
        id=answer.id,
        task=TaskId(answer.task),
        annotator=annotator,
        label=label,
        at=at,
        seconds=answer.seconds,
        comment=answer.comment,
        is_flagged=answer.is_flagged,
    )


def paused(house: House, annotator: str) -> str:
    """Why this annotator gets no tasks; empty when they may work."""
    standings = house.ledger.all(Standing, house.settings.name)
    return next((s.reason for s in standings if s.annotator == annotator and s.state == "paused"), "")


def lease_seconds(house: House) -> float:
    """How long what is claimed or held is held."""
    return house.settings.annotate.lease_seconds


def quota_left(house: House, person: Person) -> int | None:
    """Answers that this person may still give in this UTC day; None: any number."""
    if not person.quota:
        return None
    given = house.work.given_since(house.settings.name, annotator=person.name, since=midnight(house))
    return max(0, person.quota - given)


def midnight(house: House) -> datetime:
    """When this UTC day began."""
    return datetime.combine(house.clock.now().astimezone(UTC).date(), time(), UTC)


def _person(request: AnyRequest, named: str, house: House) -> Person:
    caller = caller_of(request)
    return person_of(caller, annotator_of(caller, named), house=house)
