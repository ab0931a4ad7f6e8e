"""What people do to the loop by name: pausing, letting back in, recalling, settling. Each commits with its lineage."""

from collections.abc import Iterable
from typing import Literal

from blake3 import blake3
from msgspec import json, structs

from loopline.annotate.gold import weigh
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.orchestrate.findings import doubts
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.recalling import Affected, Rests, affected, asked_again, joining
from loopline.records.command import key_of
from loopline.records.decision import Decision
from loopline.records.guideline import Remark
from loopline.records.ids import CommandId
from loopline.records.keys import entity_of
from loopline.records.lineage import Activity, Entry, Event, Stored
from loopline.records.task import Standing, Task

__all__ = ["Affected", "Rests", "adjudicate", "affected", "doubts", "joining", "recall", "set_standing"]

WORDS = {"active": ("annotator.resumed", "is let back in"), "paused": ("annotator.paused", "is paused")}

WHAT = {
    "label": "it has one right answer",
    "ambiguous": "no one answer is right",
    "guideline gap": "the guideline does not say",
}


def set_standing(
    house: Installation, annotator: str, *, state: Literal["active", "paused"], by: str, reason: str
) -> bool:
    """Pause a person, or let them back in; whether that changed anything.

    Paused: they are given no tasks, and their answers do not stand, so that what only they answered is asked of others.
    Let back in: their answers stand again, and what is known of them begins anew from now.
    """
    stored = {one.annotator: one for one in house.ledger.all(Standing, house.settings.name)}
    old = stored.get(annotator)
    if (old.state if old else "active") == state:
        return False
    event, words = WORDS[state]
    text = f"{annotator} {words} by {by}: {reason}"
    fresh = weigh(0, 0, norm=house.settings.annotate.norm)
    now = house.clock.now()
    if state == "paused" and old is not None:
        record = structs.replace(old, state="paused", reason=f"paused by {by}: {reason}")
    else:
        record = Standing(
            annotator=annotator,
            loop=house.settings.name,
            state=state,
            gold_seen=0,
            gold_right=0,
            accuracy=fresh.accuracy,
            below_norm=fresh.below_norm,
            reason=f"{'paused' if state == 'paused' else 'let back in'} by {by}: {reason}",
            since=now if state == "active" else None,
        )
    key = key_of(house.settings.name, "standing", annotator, state, _hashed(old))
    return _commit(house, key, kind="SetStanding", records=(record,), event=event, text=text, by=by)


def recall(house: Installation, annotator: str, *, by: str, reason: str) -> int:
    """Ask others again about all that rests on one person; how many samples: 0 for nothing, or when it was done before.

    The tasks join the batch of the cycle that is open, or the next one's, and can be claimed at once. Until their new
    labels are in, the old ones stand. People who answered a sample before are not asked about it again.
    """
    found, number = affected(house, annotator), joining(house)
    tasks = asked_again(house, found.samples, number=number)
    if not tasks:
        return 0
    count = len(tasks)
    words = "sample is" if count == 1 else "samples are"
    text = f"{count:,} {words} asked about again: {by} recalled {annotator}: {reason}"
    key = key_of(house.settings.name, "recall", annotator, number, _hashed([task.id for task in tasks]))
    used = (f"annotator:{annotator}", *(f"labels:{batch}" for batch in found.batches))
    is_new = _commit(
        house, key, kind="Recall", tasks=tasks, used=used, event="annotator.recalled", text=text, by=by,
        also=(f"tasks:cycle-{number}",),
    )  # fmt: skip
    return count if is_new else 0


def adjudicate(house: Installation, decision: Decision) -> bool:
    """Store what an adjudicator found; whether it is new. A gap of the guideline opens a thread about it.

    Of two at once the first stands: the second finds that its task is not as it was when they looked, and changes
    nothing.

    Where the batch has its labels already, the next one carries the label as it is now, and the next dataset version
    holds it so. Raises NotFound for an unknown task, InvalidRecord for a finding that does not fit, Conflict for gold.
    """
    loop, labels = house.settings.name, house.settings.signature.labels
    asked = house.book.answers(loop, cycle=decision.cycle).tasks
    task = next((one for one in asked if one.id == decision.task), None)
    if task is None:
        raise NotFound("task", decision.task)
    if task.stratum == "gold":
        raise Conflict(f"task {task.id}", found="a known answer", expected="a task that its answers leave in doubt")
    checked = _checked(house, decision, labels)
    records: list[Stored] = [checked]
    before = next((one for one in house.ledger.all(Decision, loop) if one.task == decision.task), None)
    if before is not None and structs.replace(before, at=checked.at) == checked:
        return False
    key = key_of(loop, "decide", decision.task, _hashed(before))
    if checked.finding == "guideline gap":
        records.append(_thread(checked, key))
    text = f"{decision.adjudicator} settled a task: {WHAT[checked.finding]}"  # more could tell of a sealed sample
    people = {one.annotator for one in house.book.given(loop, cycle=decision.cycle) if one.id in set(decision.answers)}
    used = (f"tasks:cycle-{decision.cycle}", *sorted(f"annotator:{name}" for name in people))
    return _commit(
        house, key, kind="Decide", records=tuple(records), used=used, event="task.decided", text=text,
        by=decision.adjudicator,
    )  # fmt: skip


def _checked(house: Installation, decision: Decision, labels: tuple[str, ...]) -> Decision:
    """The decision in its one spelling. Raises InvalidRecord for a label where there is none, or the reverse."""
    if decision.finding == "withdrawn":
        remedy = "take back the one that stands"
        expected = "label, ambiguous or guideline gap"
        raise InvalidRecord(f"decision on task {decision.task}", found="withdrawn", expected=expected, remedy=remedy)
    if decision.finding == "label":
        return structs.replace(decision, label=house.question.canonical(decision.label, labels=labels))
    if decision.label or decision.is_gold:
        found = f"label {decision.label!r}" if decision.label else "a gold answer"
        expected = f"none where the finding is {decision.finding}"
        raise InvalidRecord(f"decision on task {decision.task}", found=found, expected=expected)
    return decision


def _thread(decision: Decision, key: str) -> Remark:
    return Remark(
        id=f"{key}/gap",
        loop=decision.loop,
        thread=f"{key}/gap",
        at=decision.at,
        author=decision.adjudicator,
        text=decision.reason,
        kind="gap",
        task=decision.task,
    )


def _hashed(thing: object) -> str:
    return blake3(json.encode(thing, order="sorted")).hexdigest(length=8)


def _commit(  # noqa: PLR0913  an act with all that it leaves behind
    house: Installation, key: CommandId, *, kind: str, event: str, text: str, by: str, records: tuple[Stored, ...] = (),
    tasks: Iterable[Task] = (), used: tuple[str, ...] = (), also: tuple[str, ...] = (),
) -> bool:  # fmt: skip
    now, loop = house.clock.now(), house.settings.name
    generated = (*(entity_of(record) for record in records), *also)
    activity = Activity(
        id=key, loop=loop, kind=kind, cycle=-1, started=now, ended=now, actor=by, used=used, generated=generated
    )
    told = Event(id=f"{key}/event", type=event, source=f"/loops/{loop}", subject=key, time=now, text=text)
    return house.ledger.commit(Entry(id=key, records=records, tasks=tuple(tasks), activity=activity, events=(told,)))
