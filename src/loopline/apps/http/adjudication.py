"""Adjudication over HTTP: what is in doubt, shown without names; what was found; taking it back."""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, JSONBody
from msgspec import structs

from loopline.annotate.doubt import Doubt
from loopline.apps.adjudication import Given, decided, decisions, seal_of, told, waiting, withdrawn
from loopline.apps.http.answering import LONGEST_REASON, canonical_of, identified, written
from loopline.apps.http.answers import between, strictly
from loopline.apps.http.caller import Caller, about, annotator_of, caller_of
from loopline.apps.http.showing import Person, Showing, ShownTask
from loopline.apps.http.views import Console, House
from loopline.records.decision import Decision, Finding
from loopline.records.ids import TaskId, VersionName

MOST_TASKS: Final = 20
AnyRequest = Request[Any, Any, Any]


class ShownAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said; not who."""

    label: str
    comment: str
    is_flagged: bool


class DoubtfulTask(msgspec.Struct, frozen=True, kw_only=True):
    """One task in doubt: nothing tells why it was asked, nor who said what."""

    task: ShownTask
    doubt: str
    """Why it is in doubt, from its answers."""
    answers: tuple[ShownAnswer, ...]
    """Shuffled, in the same order every time."""
    seen: str
    """Stands for these answers; sent back with the finding."""


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for an adjudicator."""

    tasks: tuple[DoubtfulTask, ...]
    """The least sure first."""
    left: int
    """In doubt for this adjudicator, those shown included."""
    own: int
    """In doubt, and answered by this adjudicator: somebody else settles these."""
    decided: int
    """Decisions that stand, of everybody."""


class NewDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found about a task."""

    task: str
    finding: Literal["label", "ambiguous", "guideline gap"]
    label: str | None = None
    """The right answer, where the finding is a label; ``labels`` where several may be right."""
    labels: tuple[str, ...] | None = None
    reason: str
    """One line."""
    is_gold: bool = False
    """Whether people are checked with it from now on."""
    seen: str = ""
    """From the task: the finding is refused when other answers came in since."""
    adjudicator: str = ""
    """Who found it, where the caller did not sign in as a person; else who asks."""


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take a decision back."""

    task: str
    reason: str
    adjudicator: str = ""


class ShownDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it is listed."""

    task: str
    cycle: int
    at: datetime
    adjudicator: str
    finding: Finding
    label: str
    reason: str
    is_gold: bool
    answers: int
    """How many were seen."""


def adjudicator_of(caller: Caller, given: str) -> str:
    """Who adjudicates: whoever signed in, else whom the request names, else the caller itself."""
    return annotator_of(caller, given) if caller.user or given else caller.name


def shown_decision(decision: Decision) -> ShownDecision:
    """The decision without what its answers were called."""
    return ShownDecision(
        task=decision.task,
        cycle=decision.cycle,
        at=decision.at,
        adjudicator=decision.adjudicator,
        finding=decision.finding,
        label=decision.label,
        reason=decision.reason,
        is_gold=decision.is_gold,
        answers=len(decision.answers),
    )


def doubtful(doubt: Doubt, *, showing: Showing, person: Person, secret: bytes) -> DoubtfulTask:
    """The task as an adjudicator sees it. No suggestion is shown: only chosen samples have one."""
    bare = structs.replace(doubt.task, suggestion="", suggested_by=VersionName(""))
    return DoubtfulTask(
        task=showing.task(bare, person),
        doubt=told(doubt),
        answers=tuple(
            ShownAnswer(label=one.label, comment=one.comment, is_flagged=one.is_flagged) for one in doubt.annotations
        ),
        seen=seal_of(doubt.annotations, secret=secret),
    )


def adjudication_routes(house: House, console: Console, *, showing: Showing) -> list[HTTPRouteHandler]:
    """The routes of adjudicators."""

    @get("/api/adjudicate", sync_to_thread=True)
    def bench(request: AnyRequest, count: FromQuery[int] = 1, adjudicator: FromQuery[str] = "") -> Bench:
        """What is in doubt for this adjudicator, without names; never what they answered themselves."""
        name = adjudicator_of(caller_of(request), adjudicator)
        most, found = between("count", count, MOST_TASKS), waiting(console.installation, adjudicator=name)
        person = Person(name=name, languages=_languages(caller_of(request)))
        return Bench(
            tasks=tuple(
                doubtful(doubt, showing=showing, person=person, secret=house.secret) for doubt in found.doubts[:most]
            ),
            left=len(found.doubts),
            own=found.own,
            decided=len(decisions(console.installation)),
        )

    @post("/api/adjudicate", sync_to_thread=True, status_code=200, before_request=strictly(NewDecision))
    def decide(request: AnyRequest, data: JSONBody[NewDecision]) -> ShownDecision:
        """Settle a task in doubt; the same finding twice is one."""
        name = adjudicator_of(caller_of(request), data.adjudicator)
        about(request, data.task)
        given = given_of(house, data)
        return shown_decision(decided(console.installation, given, adjudicator=name, secret=house.secret))

    @get("/api/adjudicate/decisions", sync_to_thread=True)
    def listed() -> tuple[ShownDecision, ...]:
        """Every decision that stands, newest first."""
        return tuple(map(shown_decision, decisions(console.installation)))

    @post("/api/adjudicate/withdraw", sync_to_thread=True, status_code=200, before_request=strictly(Withdrawal))
    def withdraw(request: AnyRequest, data: JSONBody[Withdrawal]) -> ShownDecision:
        """Take a decision back: its task is in doubt again, or, where it has a label, asked about once more."""
        name, task = adjudicator_of(caller_of(request), data.adjudicator), TaskId(identified("task", data.task))
        about(request, task)
        return shown_decision(withdrawn(console.installation, task, by=name, reason=data.reason))

    return [bench, decide, listed, withdraw]


def given_of(house: House, data: NewDecision) -> Given:
    """The finding, checked as far as it can be without its task. Raises InvalidRecord."""
    task = TaskId(identified("task", data.task))
    reason = written(f"reason of the decision on task {task}", data.reason, most=LONGEST_REASON)
    label = ""
    if data.finding == "label" or data.label or data.labels:
        label = canonical_of(house, thing=f"decision on task {task}", label=data.label, labels=data.labels)
    return Given(task, data.finding, label, reason, data.is_gold, data.seen)


def _languages(caller: Caller) -> tuple[str, ...]:
    return caller.user.languages if caller.user else ()
