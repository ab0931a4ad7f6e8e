"""Taking back what an adjudicator found."""

from msgspec import structs

from loopline.orchestrate.installation import Installation
from loopline.orchestrate.recalling import Rests, asked_again, joining
from loopline.records.command import key_of
from loopline.records.decision import Decision
from loopline.records.keys import entity_of
from loopline.records.label import LabelBatch
from loopline.records.lineage import Activity, Entry, Event


def take_back(house: Installation, decision: Decision, *, by: str, reason: str) -> bool:
    """The decision stands no more, and its task is in doubt again; whether that changed anything.

    Where its batch has its labels already, people are asked about the sample once more: in the batch of the cycle that
    is open, or in the next one's. Until their label is in, the decided one stands. The decision stays on record.
    """
    loop, now = house.settings.name, house.clock.now()
    stored = next((one for one in house.ledger.all(Decision, loop) if one.task == decision.task), None)
    if stored is None or stored.finding == "withdrawn":
        return False
    is_labelled = any(batch.cycle == decision.cycle for batch in house.ledger.all(LabelBatch, loop))
    number = joining(house)
    resting = Rests(decision.cycle, decision.content, sample="", stratum="", label=decision.label, without="")
    tasks = asked_again(house, (resting,), number=number) if is_labelled else ()
    gone = structs.replace(stored, finding="withdrawn", label="", is_gold=False, at=now, adjudicator=by, reason=reason)
    key = key_of(loop, "take-back", decision.task, stored.at.isoformat())
    again = "; people are asked about the sample once more" if tasks else "; its task is in doubt again"
    text = f"{by} took back what {stored.adjudicator} found{again}"  # more could tell of a sealed sample
    made = (entity_of(gone), *((f"tasks:cycle-{number}",) if tasks else ()))
    activity = Activity(
        id=key, loop=loop, kind="TakeBack", cycle=-1, started=now, ended=now, actor=by, used=(), generated=made
    )
    told = Event(id=f"{key}/event", type="task.reopened", source=f"/loops/{loop}", subject=key, time=now, text=text)
    return house.ledger.commit(Entry(id=key, records=(gone,), tasks=tasks, activity=activity, events=(told,)))
