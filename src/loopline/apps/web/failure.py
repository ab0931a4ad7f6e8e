"""Before the first version is live: which cycles tried to make it, and what follows when one failed."""

from datetime import datetime

from loopline.apps.http.archive import Archive
from loopline.apps.web.words import moment
from loopline.orchestrate.decide import first_again
from loopline.records.cycle import Cycle


def is_first(archive: Archive, cycle: Cycle) -> bool:
    """Whether the cycle made, or tried to make, the first version: it has no window, no budget and no incumbent."""
    if not archive.splits:
        return True
    first = archive.splits[0].incumbent
    return any(model.name == first and cycle.number <= model.cycle for model in archive.models)


def next_try(archive: Archive, cycle: Cycle, *, now: datetime) -> str:
    """What serves after this cycle failed, and when the loop goes on by itself."""
    if not is_first(archive, cycle):
        return "The incumbent keeps serving. Mend the cause; the next cycle opens by itself."
    if archive.cycles[0].number > cycle.number:
        return f"No version was live. Cycle {cycle.number + 1} tried again."
    due = first_again(cycle)
    when = f"at {moment(due)}" if due and due > now else "by itself"
    return f"No version is live. Mend the cause; the first version is tried again {when}."
