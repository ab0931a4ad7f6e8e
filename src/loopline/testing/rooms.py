"""The rooms that pages look into, over any adapters: in memory unless told otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from msgspec import structs

from loopline.adapters.memory.audit import MemoryAuditLog
from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.engine import MemoryEngine
from loopline.adapters.memory.launcher import MemoryLauncher
from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.manifest import MemoryManifest
from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.memory.offsets import MemoryOffsets
from loopline.adapters.memory.outcomes import MemoryOutcomes
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.memory.roles import MemoryRoles
from loopline.adapters.memory.work import MemoryWorkLog
from loopline.adapters.views.document import DocumentView
from loopline.annotate.questions import BUILT_IN
from loopline.errors import NotFound
from loopline.orchestrate.awaited import awaited
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.lineage import Step, makers_of, named, why
from loopline.orchestrate.selecting import imagined, replayed
from loopline.orchestrate.situation import gather
from loopline.ports.audit_log import AuditLog
from loopline.ports.counters import Counters
from loopline.ports.offsets import Offsets
from loopline.ports.outcome_book import OutcomeBook
from loopline.ports.view import View
from loopline.records.command import Command, Reviewed, Situation
from loopline.records.selection import Selection
from loopline.select.strategies import strategy_of
from loopline.testing import factories as make


@dataclass(frozen=True, kw_only=True)
class Rooms(Installation):
    """An installation with the counters, the token and the secret of its doors."""

    audit: AuditLog
    counters: Counters
    offsets: Offsets
    outcomes: OutcomeBook
    view: View
    token: str
    secret: bytes


def rooms(*, now: datetime, **changes: object) -> Rooms:
    """A whole house in memory; any room may be another adapter."""
    ledger = MemoryLedger()
    book = MemoryTaskQueue(ledger.state)
    default = Rooms(
        settings=make.settings(),
        clock=ManualClock(now),
        log=MemoryLog(),
        manifest=MemoryManifest(),
        ledger=ledger,
        roles=MemoryRoles(ledger.state),
        queue=book,
        book=book,
        work=MemoryWorkLog(ledger.state),
        objects=MemoryObjects(),
        launcher=MemoryLauncher(lambda _: None),
        engine=MemoryEngine(),
        base=tuple,
        anchor=tuple,
        gold=tuple,
        strategy=strategy_of,
        question=BUILT_IN["single"],
        view=DocumentView(),
        actor="loopline",
        audit=MemoryAuditLog(),
        counters=MemoryCounters(),
        offsets=MemoryOffsets(),
        outcomes=MemoryOutcomes(),
        token="the-token",  # noqa: S106  opens nothing but a test's own house
        secret=b"the secret of the tests",
    )
    return replace(default, **changes)  # type: ignore[arg-type]


class StoredConsole:
    """The controller's view of stored state, without the controller: its ticks do nothing."""

    def __init__(self, house: Installation) -> None:
        self._house = house

    @property
    def installation(self) -> Installation:
        """The ports that it looks into."""
        return self._house

    def situation(self) -> Situation:
        """What is stored, as ``decide`` sees it once every answer has been weighed."""
        found = gather(self._house)
        if found.progress is None:
            return found
        weighed = Reviewed(annotations=found.progress.annotations, at=self._house.clock.now())
        return structs.replace(found, reviewed=weighed)

    def awaited(self, situation: Situation) -> str:
        """What is due or awaited in it, and why."""
        return awaited(situation, self._house.clock.now())

    def why(self, entity: str) -> Step:
        """The tree behind an entity, named whole or by its id alone. Raises NotFound."""
        activities = self._house.ledger.activities(self._house.settings.name)
        if name := named(entity, makers_of(activities)):
            return why(name, activities)
        raise NotFound("entity", entity)

    def tick(self) -> Sequence[Command]:
        """Nothing is done."""
        return ()

    def imagine(self, cycle: int, *, strategy: str = "", budget: int = 0) -> tuple[Selection, Selection]:
        """The stored selection, and what it would have been. Raises NotFound."""
        return imagined(self._house, cycle, strategy=strategy, budget=budget)

    def replay(self, cycle: int, *, threads: int = 0, shards: int = 0) -> tuple[Selection, Selection]:  # noqa: ARG002  one thread
        """The stored selection, and what its window gives again. Raises NotFound."""
        return replayed(self._house, cycle)
