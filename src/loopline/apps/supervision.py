"""Looking after people: how each of them does, what rests on them, and what a lead may do about it."""

from collections.abc import Mapping
from functools import partial
from typing import Final, Literal, NamedTuple

import msgspec

from loopline.annotate import report
from loopline.annotate.anchoring import Anchoring as Met
from loopline.annotate.anchoring import by_person, meetings
from loopline.annotate.evidence import Heard, Verdict, holding, known_of, looked_at
from loopline.apps.peers import Peers
from loopline.apps.track_record import (
    Anchoring,
    Confusion,
    Period,
    PersonRow,
    accuracy_of,
    anchoring_of,
    anchorings,
    confusion,
    counted,
    course,
    pace_of,
)
from loopline.errors import InvalidRecord, NotFound
from loopline.orchestrate.findings import decided_gold
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.people import Affected, affected, recall, set_standing
from loopline.records.cycle import Cycle
from loopline.records.ids import TaskId
from loopline.records.lineage import Event
from loopline.records.people import User
from loopline.records.task import Standing, Task

GLANCE, NEWEST = 20, 200
"""Latest answers that tell the pace: in a list of everybody, and of one person."""
MOST_EVENTS: Final = 2_000
MOST_TOLD: Final = 20
LONGEST_REASON: Final = 500
Act = Literal["pause", "resume", "recall"]


class AffectedWork(msgspec.Struct, frozen=True, kw_only=True):
    """What rests on one person's answers."""

    said: str
    """One sentence."""
    samples: int
    """Labels that they alone gave, or that would be others without them."""
    open_answers: int
    """Answers in the open batch, which stop counting with a pause."""
    datasets: tuple[str, ...]
    """Versions that learned these labels, oldest first."""
    models: tuple[str, ...]
    """Versions that were trained on those."""


class PersonDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One person, whole."""

    person: PersonRow
    passed: int
    """Tasks passed on, of the latest."""
    norm: float
    periods: tuple[Period, ...]
    confusion: Confusion
    anchoring: tuple[Anchoring, ...]
    """Over all labels first, then by what was wrongly suggested."""
    affected: AffectedWork
    history: tuple[Event, ...]
    """What was done about them, newest first."""


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What an act did, or with ``dry_run`` what it would do."""

    name: str
    is_done: bool
    said: str
    affected: AffectedWork


class _Known(NamedTuple):
    """Answers that were held against something, and the tasks they answer."""

    verdicts: tuple[Verdict, ...]
    tasks: Mapping[TaskId, Task]


class Supervision:
    """Over one house."""

    def __init__(self, house: Installation, *, peers: Peers) -> None:
        self._house, self._peers = house, peers
        self._loop = house.settings.name

    def everybody(self) -> tuple[PersonRow, ...]:
        """Who has answered, is paused, or has been weighed: paused ones first, then the least accurate."""
        standings, known = self._standings(), self._known()
        led = by_person(meetings(known.verdicts, known.tasks))
        names = sorted({*self._house.work.people(self._loop), *standings})
        rows = [self._row(name, standings.get(name), led=led.get(name), newest=GLANCE) for name in names]
        return tuple(sorted(rows, key=_urgency))

    def person(self, name: str) -> PersonDetail:
        """One of them. Raises NotFound for somebody who never answered, was never weighed, and is no user."""
        self._require(name)
        known, labels = self._known(), self._house.settings.signature.labels
        found = report.report(name, annotations=(), verdicts=known.verdicts, tasks=known.tasks)
        return PersonDetail(
            person=self._row(name, self._standings().get(name), led=found.anchoring, newest=NEWEST),
            passed=len(self._house.work.passed(self._loop, annotator=name, newest=NEWEST)),
            norm=self._house.settings.annotate.norm,
            periods=course(found),
            confusion=confusion(found, labels=labels),
            anchoring=anchorings(found),
            affected=self.affected(name),
            history=self._history(name),
        )

    def affected(self, name: str) -> AffectedWork:
        """What rests on this person."""
        found, waiting = affected(self._house, name), self._open_answers(name)
        return AffectedWork(
            said=affected_in_words(found, name=name),
            samples=len(found.samples),
            open_answers=waiting,
            datasets=found.datasets,
            models=found.models,
        )

    def act(self, act: Act, name: str, *, by: str, reason: str, dry_run: bool) -> Acted:
        """Pause, resume or recall; with ``dry_run`` nothing is changed.

        Raises NotFound for nobody, InvalidRecord for a reason that is none.
        """
        self._require(name)
        if not dry_run or reason:
            _require_reason(reason)
        found = self.affected(name)
        standing = self._standings().get(name)
        state = standing.state if standing else "active"
        if dry_run:
            return Acted(name=name, is_done=False, said=foretold(act, name, state=state, found=found), affected=found)
        house, reason = self._house, reason.strip()
        if act == "recall":
            count = recall(house, name, by=by, reason=reason)
            asked = f"{count:,} {_plural('sample', count)} of {name} will be asked about once more"
            said = asked if count else f"nothing of {name} is left to ask about: {found.said}"
            return Acted(name=name, is_done=count > 0, said=said, affected=found)
        wanted: Literal["active", "paused"] = "paused" if act == "pause" else "active"
        is_done = set_standing(house, name, state=wanted, by=by, reason=reason)
        said = (
            f"{name} is {'paused' if act == 'pause' else 'active again'}" if is_done else f"{name} is {state} already"
        )
        return Acted(name=name, is_done=is_done, said=said, affected=found)

    def _require(self, name: str) -> None:
        known = {*self._house.work.people(self._loop), *self._standings()}
        if name not in known and name not in {user.name for user in self._house.ledger.all(User, self._loop)}:
            raise NotFound("person", name[:80], known=tuple(sorted(known)))

    def _standings(self) -> dict[str, Standing]:
        return {one.annotator: one for one in self._house.ledger.all(Standing, self._loop)}

    def _row(self, name: str, standing: Standing | None, *, led: Met | None, newest: int) -> PersonRow:
        work = self._house.work.work(self._loop, annotator=name, newest=newest)
        timed = [one.annotation.seconds for one in work if one.annotation.seconds > 0 and not one.annotation.is_bulk]
        tally = self._peers.of(name)
        return PersonRow(
            name=name,
            state=standing.state if standing else "active",
            reason=standing.reason if standing else "",
            accuracy=accuracy_of(standing),
            gold_seen=standing.gold_seen if standing else 0,
            gold_right=standing.gold_right if standing else 0,
            peers_seen=standing.peers_seen if standing else 0,
            peers_right=standing.peers_right if standing else 0,
            answers=self._house.book.answered(self._loop, name)[0],
            pace=pace_of(report.pace(timed)),
            agreement=counted(tally.same, tally.n),
            anchoring=anchoring_of(led),
            last_at=work[0].annotation.at if work else None,
        )

    def _known(self) -> _Known:
        """Every answer of which something is known: to gold ever, and of peers in the latest batches."""
        house, loop = self._house, self._loop
        latest = max(house.ledger.all(Cycle, loop), key=lambda cycle: cycle.number, default=None)
        gold = holding(house.book.gold_answers(loop), decided=decided_gold(house))
        batches = [house.book.answers(loop, cycle=number) for number in (looked_at(latest) if latest else ())]
        verdicts = known_of(
            gold,
            [Heard(one.tasks, one.annotations) for one in batches],
            standings=self._standings().values(),
            sure=partial(house.question.sure, labels=house.settings.signature.labels),
            settings=house.settings,
        )
        tasks = {task.id: task for one in batches for task in one.tasks} | {task.id: task for task, _ in gold}
        return _Known(verdicts, tasks)

    def _open_answers(self, name: str) -> int:
        cycles = (c for c in self._house.ledger.all(Cycle, self._loop) if c.phase == "published")
        given = (a for c in cycles for a in self._house.book.answers(self._loop, cycle=c.number).annotations)
        return sum(one.annotator == name for one in given)

    def _history(self, name: str) -> tuple[Event, ...]:
        events = self._house.ledger.events(self._loop, newest=MOST_EVENTS)
        own = [one for one in events if one.type.startswith("annotator.") and f"/{name}/" in f"{one.subject}/"]
        return tuple(own[:MOST_TOLD])


def affected_in_words(found: Affected, *, name: str) -> str:
    """One sentence on what rests on a person.

    >>> affected_in_words(Affected(samples=(), batches=(), datasets=(), models=()), name="ana")
    "no label rests on ana's answers"
    """
    count = len(found.samples)
    if not count:
        return f"no label rests on {name}'s answers"
    rests = f"{count:,} {_plural('label', count)} {'rest' if count != 1 else 'rests'} on {name}'s answers"
    reached = (*found.datasets, *found.models)
    return f"{rests}; they reached {', '.join(reached)}" if reached else f"{rests}; no dataset has learned them"


def foretold(act: Act, name: str, *, state: str, found: AffectedWork) -> str:
    """What an act would do, in one sentence."""
    if act == "pause":
        stops = f"{found.open_answers:,} {_plural('answer', found.open_answers)} in the open batch would stop counting"
        return f"{name} is paused already" if state == "paused" else f"{stops}; {found.said}"
    if act == "resume":
        return f"{name} would get tasks again" if state == "paused" else f"{name} is active already"
    asked = f"{found.samples:,} {_plural('sample', found.samples)} would be asked about once more"
    return f"{asked}; {found.said}" if found.samples else found.said


def _urgency(row: PersonRow) -> tuple[bool, float, str]:
    return row.state != "paused", row.accuracy.value if row.accuracy else 1.0, row.name


def _require_reason(reason: str) -> None:
    words = reason.strip()
    if not 1 <= len(words) <= LONGEST_REASON:
        raise InvalidRecord("reason", found=f"{len(words)} characters", expected=f"1 to {LONGEST_REASON}")
    if not words.isprintable():
        raise InvalidRecord("reason", found="more than one line", expected="one line of printable characters")


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
