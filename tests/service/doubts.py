"""A batch that its answers leave in doubt: one sample a stratum, three people, three labels."""

from loopline.records.task import Stratum
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms

PEOPLE = ("ana", "ben", "chi")
LABELS = ("negative", "neutral", "positive")
STRATA: tuple[Stratum, ...] = ("chosen", "audit", "reserve", "gold")
EVIL = "<script>alert(1)</script>"


def leave_in_doubt(house: Rooms, *, comment: str = "it could be either") -> None:
    """An open batch: ``t-chosen`` (suggested), ``t-audit``, ``t-reserve``, ``t-gold``; ``t-clear`` is in no doubt."""
    tasks = [
        make.task(f"t-{stratum}", f"sample {place}", stratum=stratum, wanted=3) for place, stratum in enumerate(STRATA)
    ]
    tasks[0] = make.task("t-chosen", "sample 0", suggestion="neutral", suggested_by="v1", wanted=3)
    tasks[3] = make.task("t-gold", "sample 3", stratum="gold", gold="positive")
    clear = make.task("t-clear", "sample 4", wanted=3)
    cycle = make.cycle(1, phase="published")
    house.ledger.commit(make.entry("in-doubt", cycle, tasks=(*tasks, clear)))
    said = [
        make.annotation(f"{person}-{task.id}", task=task.id, annotator=person, label=label, comment=comment)
        for task in tasks
        for person, label in zip(PEOPLE, LABELS, strict=True)
    ]
    alike = [make.annotation(f"{person}-clear", task="t-clear", annotator=person) for person in PEOPLE]
    house.queue.submit([*said, *alike], loop=make.LOOP)
