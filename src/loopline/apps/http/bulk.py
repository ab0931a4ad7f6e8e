"""A whole cluster labelled at once, after a sample of it was answered one by one.

The diversity step groups alike samples; where all of a group are of one label, answering each is wasted. What the check
proves, and what it does not, is told in ``annotate/bulk.py`` and with every answer. Only chosen tasks are answered so:
audit, reserve and gold tasks measure something, and each of them is looked at.
"""

import hashlib
from typing import Any, Final

import msgspec
from blake3 import blake3
from itsdangerous import BadData, URLSafeSerializer
from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from loopline.annotate.bulk import most_others, sampled
from loopline.apps.http.answering import canonical_of, identified, timed
from loopline.apps.http.answers import AnyRequest, lease_seconds, paused, strictly
from loopline.apps.http.caller import about, annotator_of, caller_of
from loopline.apps.http.showing import Person, Showing, ShownTask, person_of
from loopline.apps.http.task_input import visible
from loopline.apps.http.views import House
from loopline.errors import Conflict, InvalidRecord
from loopline.records.ids import TaskId
from loopline.records.task import Annotation, Claim, Task

MOST: Final = 500
"""Tasks of a cluster that are opened at once."""
NAMED: Final = 10
"""Tasks that a refusal names."""


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for the tasks that are like one which this person was asked about."""

    annotator: str = ""
    task: str
    holding: tuple[str, ...] = ()
    """Other tasks that the caller goes on holding; all that are not named are given back."""


class Bulk(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster, leased to this person."""

    id: str
    """To be sent back as it is: it says whose the cluster is, and what is in it."""
    cluster: str
    tasks: tuple[ShownTask, ...]
    sample: tuple[str, ...]
    """Ids of the tasks that are answered one by one: max(5, 10 %), drawn by hash."""
    lease_seconds: float


class SampleAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this person says to one task of the sample."""

    task: str
    label: str | None = None
    labels: tuple[str, ...] | None = None
    seconds: float = 0.0


class CloseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer to a whole cluster, and the answers to its sample."""

    annotator: str = ""
    id: str
    cluster: str
    label: str | None = None
    labels: tuple[str, ...] | None = None
    answers: tuple[SampleAnswer, ...]


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """What was stored, and what the sample proves."""

    accepted: int
    """New answers, the sample's among them."""
    sample: int
    rest: int
    """Tasks that got the answer without being looked at one by one."""
    others_most: int
    """Of these, how many may call for another answer: the upper 95 % bound."""
    sentence: str


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What the id of an opened cluster says."""

    annotator: str
    cluster: str
    tasks: tuple[TaskId, ...]
    sample: tuple[TaskId, ...]


def bulk_routes(house: House, *, showing: Showing) -> list[HTTPRouteHandler]:
    """The routes, for who may settle tasks."""

    @post("/api/bulk/open", sync_to_thread=True, status_code=200, before_request=strictly(OpenRequest))
    def opened(request: AnyRequest, data: JSONBody[OpenRequest]) -> Bulk:
        """Lease the open tasks of the same cluster as this one, and draw the sample that is answered one by one."""
        caller = caller_of(request)
        person = person_of(caller, annotator_of(caller, data.annotator), house=house)
        task = visible(house, TaskId(identified("task", data.task)), caller=caller, named=person.name)
        keeping = frozenset(TaskId(identified("task", name)) for name in data.holding)
        tasks = alike(house, person, task, keeping=keeping)
        sample = sampled([one.id for one in tasks], key=house.secret)
        sealed = Sealed(annotator=person.name, cluster=task.cluster, tasks=tuple(t.id for t in tasks), sample=sample)
        return Bulk(
            id=_seals(house).dumps(msgspec.to_builtins(sealed)),
            cluster=task.cluster,
            tasks=tuple(showing.task(one, person) for one in tasks),
            sample=sample,
            lease_seconds=lease_seconds(house),
        )

    @post("/api/bulk/close", sync_to_thread=True, status_code=200, before_request=strictly(CloseRequest))
    def close(request: AnyRequest, data: JSONBody[CloseRequest]) -> Closed:
        """Give the rest of a cluster the answer that its whole sample got; 409 where one of the sample differs."""
        annotator = annotator_of(caller_of(request), data.annotator)
        sealed = unsealed(house, data, annotator=annotator)
        about(request, f"cluster {sealed.cluster}")
        return closed(house, data, sealed)

    return [opened, close]


def alike(house: House, person: Person, task: Task, *, keeping: frozenset[TaskId]) -> tuple[Task, ...]:
    """The open chosen tasks of this one's cluster, leased to this person; whatever else they hold is given back.

    Raises Conflict, with the reason, when there are none.
    """
    thing, now, seconds = f"task {task.id}", house.clock.now(), lease_seconds(house)
    if reason := paused(house, person.name):
        raise Conflict(f"annotator {person.name}", found=reason, expected="one who may work")
    claim = Claim(
        annotator=person.name,
        count=MOST,
        strata=frozenset({"chosen"}),
        seconds=seconds,
        skills=person.skills,
        languages=person.languages,
        quota=person.quota,
        within=task.cluster,
    )
    loop = house.settings.name
    tasks = house.queue.claim(claim, loop=loop, now=now) if task.cluster else ()
    tasks = tuple(one for one in tasks if one.cluster == task.cluster)
    if len(tasks) < 2:
        remedy = "answer it by itself"
        raise Conflict(thing, found="no other open task like it", expected="two or more of one cluster", remedy=remedy)
    held = keeping | {one.id for one in tasks}
    house.queue.hold(held, loop=loop, annotator=person.name, now=now, seconds=seconds)
    return tasks


def unsealed(house: House, request: CloseRequest, *, annotator: str) -> Sealed:
    """What the id says, which nobody but this server can have written. Raises InvalidRecord for any other id."""
    expected = "the id and the cluster that /api/bulk/open gave to this annotator"
    try:
        sealed = msgspec.convert(_seals(house).loads(request.id), Sealed)
    except (BadData, msgspec.ValidationError) as error:
        raise InvalidRecord("bulk id", found=f"{request.id[:40]!r}", expected=expected) from error
    if (sealed.annotator, sealed.cluster) != (annotator, request.cluster):
        found = f"one of cluster {sealed.cluster!r} for {sealed.annotator!r}"
        raise InvalidRecord("bulk id", found=found, expected=expected)
    return sealed


def closed(house: House, request: CloseRequest, sealed: Sealed) -> Closed:
    """The answers of the sample stored, then those of the rest if the whole sample agrees. Sent again, nothing changes.

    Raises InvalidRecord for a sample that is not answered whole; Conflict where it differs: the sample's answers are
    stored then, as the ordinary answers they are, and nothing of the rest is.
    """
    label = canonical_of(house, thing=f"cluster {sealed.cluster}", label=request.label, labels=request.labels)
    given = _sample_answers(house, request, sealed)
    accepted = house.queue.submit(given, loop=house.settings.name)
    if differing := [one for one in given if one.label != label]:
        told = ", ".join(f"task {one.task} is {one.label}" for one in differing[:NAMED])
        more = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
        expected, remedy = f"{label} for all {len(given)} of the sample", "answer the rest one by one"
        raise Conflict(f"cluster {sealed.cluster}", found=told + more, expected=expected, remedy=remedy)
    rest = [task for task in sealed.tasks if task not in sealed.sample]
    answers = [_answer(house, sealed, request, task=task, label=label) for task in rest]
    accepted += house.queue.submit(answers, loop=house.settings.name)
    most = most_others(len(sealed.tasks), len(sealed.sample))
    return Closed(
        accepted=accepted,
        sample=len(given),
        rest=len(rest),
        others_most=most,
        sentence=f"all {len(given)} of the sample are {label}; with 95 % confidence at most {most} of the other "
        f"{len(rest)} call for another answer",
    )


def _sample_answers(house: House, request: CloseRequest, sealed: Sealed) -> list[Annotation]:
    said = {answer.task: answer for answer in request.answers}
    if said.keys() != {*sealed.sample} or len(said) < len(request.answers):
        missing, odd = len({*sealed.sample} - said.keys()), len(said.keys() - {*sealed.sample})
        found = f"{len(request.answers)} answers: {missing} of the sample missing, {odd} to other tasks"
        expected = f"one to each of the {len(sealed.sample)} of the sample"
        raise InvalidRecord(f"cluster {sealed.cluster}", found=found, expected=expected)
    answers = []
    for task in sealed.sample:
        one, thing = said[task], f"answer to task {task}"
        label = canonical_of(house, thing=thing, label=one.label, labels=one.labels)
        seconds = timed(thing, one.seconds)
        answer = _answer(house, sealed, request, task=task, label=label)
        answers.append(msgspec.structs.replace(answer, seconds=seconds, is_bulk=False))
    return answers


def _answer(house: House, sealed: Sealed, request: CloseRequest, *, task: TaskId, label: str) -> Annotation:
    """With an id that follows from the cluster's, so that closing it twice stores nothing twice."""
    name = blake3(f"{request.id}/{task}".encode()).hexdigest(length=16)
    annotator, now = sealed.annotator, house.clock.now()
    return Annotation(id=f"bulk-{name}", task=task, annotator=annotator, label=label, at=now, seconds=0.0, is_bulk=True)


def _seals(house: House) -> URLSafeSerializer:
    signing: dict[str, Any] = {"digest_method": hashlib.sha256}
    return URLSafeSerializer(house.secret, salt="loopline.bulk", signer_kwargs=signing)
