"""The bench of adjudicators: what is in doubt for one of them, what they find, and how a finding is taken back."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from blake3 import blake3
from msgspec import json

from loopline.annotate.doubt import Doubt
from loopline.apps.withdrawing import take_back
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.orchestrate.findings import doubts
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.people import adjudicate
from loopline.records.cycle import Cycle
from loopline.records.decision import Decision, Finding
from loopline.records.ids import TaskId
from loopline.records.task import Annotation, Task

LATEST: Final = 4
"""Cycles whose doubts are settled: the open one, and those just before it, whose labels change with the next batch."""
LONGEST_REASON: Final = 500
ASKED: Final = frozenset({"published", "labelled", "cut", "training", "trained", "judged", "rolling", "closed"})
"""Phases in which a cycle has tasks."""


class Given(NamedTuple):
    """What an adjudicator found, as it came in."""

    task: TaskId
    finding: Finding
    label: str
    """Canonical; empty where there is none."""
    reason: str
    is_gold: bool
    seen: str
    """What stood for the answers that were shown; empty: whatever they are now."""


class Waiting(NamedTuple):
    """What is in doubt for one adjudicator, the least sure first."""

    doubts: tuple[Doubt, ...]
    own: int
    """Left out, since they answered these themselves."""


def waiting(house: Installation, *, adjudicator: str) -> Waiting:
    """The tasks in doubt that this person did not answer, be it that they took the answer back."""
    found: list[Doubt] = []
    own = 0
    for cycle in _cycles(house):
        mine = _answered_by(house, adjudicator, cycle=cycle)
        everything = doubts(house, cycle=cycle)
        open_to = [doubt for doubt in everything if doubt.task.id not in mine]
        own += len(everything) - len(open_to)
        found += open_to
    return Waiting(tuple(found), own)


def told(doubt: Doubt) -> str:
    """Why it is in doubt, from its answers alone: how sure these are would tell why it was asked.

    >>> from loopline.testing.factories import annotation, task
    >>> said = (annotation("a"), annotation("b", label="negative"), annotation("c"))
    >>> told(Doubt(task(), said, 0.7, ""))
    '3 people answered: 2 positive, 1 negative'
    """
    answers = [one.label for one in doubt.annotations]
    if not answers:
        return "nobody could answer"
    names = sorted(set(answers), key=lambda name: (-answers.count(name), name))
    people = f"{len(answers)} {'people' if len(answers) > 1 else 'person'} answered"
    flags = sum(one.is_flagged for one in doubt.annotations)
    flagged = f"; {flags} flagged it" if flags else ""
    return f"{people}: {', '.join(f'{answers.count(name)} {spelled(name)}' for name in names)}{flagged}"


def spelled(answer: str) -> str:
    """An answer in words; several labels are kept as a JSON list.

    >>> spelled("positive"), spelled('["a", "c"]'), spelled("[]")
    ('positive', 'a + c', 'none of them')
    """
    if not answer.startswith("["):
        return answer
    try:
        several = json.decode(answer, type=list[str])
    except ValueError:
        return answer
    return " + ".join(several) or "none of them"


def seal_of(annotations: Sequence[Annotation], *, secret: bytes) -> str:
    """What stands for these answers, without telling whose they are: it changes with any of them."""
    said = json.encode([(one.id, one.label, one.comment, one.is_flagged) for one in annotations])
    return blake3(said, key=blake3(secret).digest()).hexdigest(length=8)


def decided(house: Installation, given: Given, *, adjudicator: str, secret: bytes) -> Decision:
    """The decision, stored; the same finding twice is one.

    Raises InvalidRecord for a reason that is none, NotFound for a task that nobody is in doubt about, Conflict for one
    that this person answered, that somebody else decided, or whose answers are others than those that were shown.
    """
    _require(given)
    before = standing(house, given.task)
    if before is not None:
        if before.adjudicator != adjudicator:
            remedy = "take that decision back first"
            raise Conflict(f"task {given.task}", found=_found(before), expected="in doubt", remedy=remedy)
        if _is_same(before, given):
            return before
        answers, task = before.answers, _task(house, before)
    else:
        doubt = _doubt(house, given, adjudicator=adjudicator, secret=secret)
        answers, task = tuple(one.id for one in doubt.annotations), doubt.task
    decision = Decision(
        loop=house.settings.name,
        task=task.id,
        content=task.content,
        cycle=task.cycle,
        at=house.clock.now(),
        adjudicator=adjudicator,
        finding=given.finding,
        label=given.label,
        reason=given.reason.strip(),
        is_gold=given.is_gold,
        answers=answers,
    )
    return decision if adjudicate(house, decision) else _outrun(house, given, adjudicator=adjudicator)


def _outrun(house: Installation, given: Given, *, adjudicator: str) -> Decision:
    """The same finding, which they sent twice at once. Raises Conflict where another one was stored meanwhile."""
    stored = standing(house, given.task)
    if stored is None or stored.adjudicator != adjudicator or not _is_same(stored, given):
        found = _found(stored) if stored else "taken back meanwhile"
        raise Conflict(f"task {given.task}", found=found, expected="in doubt", remedy="look at it again")
    return stored


def withdrawn(house: Installation, task: TaskId, *, by: str, reason: str) -> Decision:
    """The decision that was taken back. Raises NotFound where none stands, InvalidRecord for a reason that is none."""
    _reasoned(task, reason)
    before = standing(house, task)
    if before is None:
        raise NotFound("decision on task", task)
    take_back(house, before, by=by, reason=reason.strip())
    return before


def decisions(house: Installation) -> tuple[Decision, ...]:
    """Every decision that stands, newest first."""
    found = (one for one in house.ledger.all(Decision, house.settings.name) if one.finding != "withdrawn")
    return tuple(sorted(found, key=lambda one: (one.at, one.task), reverse=True))


def standing(house: Installation, task: TaskId) -> Decision | None:
    """The decision that stands about this task; None where there is none."""
    return next((one for one in decisions(house) if one.task == task), None)


def _cycles(house: Installation) -> list[int]:
    cycles = [c.number for c in house.ledger.all(Cycle, house.settings.name) if c.number > 0 and c.phase in ASKED]
    return sorted(cycles, reverse=True)[:LATEST]


def _answered_by(house: Installation, person: str, *, cycle: int) -> frozenset[TaskId]:
    given = house.book.given(house.settings.name, cycle=cycle)
    return frozenset(one.task for one in given if one.annotator == person)


def _doubt(house: Installation, given: Given, *, adjudicator: str, secret: bytes) -> Doubt:
    for cycle in _cycles(house):
        found = next((one for one in doubts(house, cycle=cycle) if one.task.id == given.task), None)
        if found is None:
            continue
        if given.task in _answered_by(house, adjudicator, cycle=cycle):
            expected, remedy = "an adjudicator who did not answer it", "leave it to somebody else"
            raise Conflict(f"task {given.task}", found=f"answered by {adjudicator}", expected=expected, remedy=remedy)
        if given.seen and given.seen != seal_of(found.annotations, secret=secret):
            expected, remedy = "those that were shown", "look at it again"
            raise Conflict(f"task {given.task}", found="other answers by now", expected=expected, remedy=remedy)
        return found
    raise NotFound("task in doubt", given.task)


def _task(house: Installation, decision: Decision) -> Task:
    tasks = house.book.answers(house.settings.name, cycle=decision.cycle).tasks
    found = next((one for one in tasks if one.id == decision.task), None)
    if found is None:
        raise NotFound("task", decision.task)
    return found


def _is_same(before: Decision, given: Given) -> bool:
    asked = (given.finding, given.label, given.reason.strip(), given.is_gold)
    return asked == (before.finding, before.label, before.reason, before.is_gold)


def _found(decision: Decision) -> str:
    what = spelled(decision.label) if decision.label else decision.finding
    return f"decided by {decision.adjudicator}: {what}"


def _require(given: Given) -> None:
    _reasoned(given.task, given.reason)
    if given.finding == "withdrawn":
        expected = "label, ambiguous or guideline gap"
        raise InvalidRecord(f"decision on task {given.task}", found="finding 'withdrawn'", expected=expected)
    if given.finding != "label" and (given.label or given.is_gold):
        found = f"{'a label' if given.label else 'gold'} with the finding {given.finding}"
        raise InvalidRecord(f"decision on task {given.task}", found=found, expected="one with the finding label")


def _reasoned(task: TaskId, reason: str) -> None:
    thing, words = f"reason of the decision on task {task}", reason.strip()
    if not 1 <= len(words) <= LONGEST_REASON:
        raise InvalidRecord(thing, found=f"{len(words)} characters", expected=f"1 to {LONGEST_REASON}")
    if not words.isprintable():
        raise InvalidRecord(thing, found="more than one line", expected="one line of printable characters")
