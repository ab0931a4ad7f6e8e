"""Real parts in memory around one gateway."""

from collections.abc import Iterator

import msgspec
import pytest

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.engine import MemoryEngine
from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.objects import MemoryObjects
from loopline.ports.engine import Shelf
from loopline.records.exchange import Exchange, Turn
from loopline.records.ids import VersionName
from loopline.records.model import Checks, ModelVersion
from loopline.records.rollout import TrafficSplit
from loopline.serve.question import Answer, Question
from loopline.serve.stage import Gateway
from loopline.testing.factories import LOOP, NOW, SIGNATURE, entry, model_version, settings


class House:
    """Real parts in memory around one gateway."""

    def __init__(self) -> None:
        self.ledger, self.objects, self.counters = MemoryLedger(), MemoryObjects(), MemoryCounters()
        self.turns: list[Turn] = []
        self.clock, self.engine = ManualClock(NOW), MemoryEngine()
        self.revision = 0
        self.gateway = Gateway(
            settings(),
            clock=self.clock,
            counters=self.counters,
            record=self.turns.append,
        )

    def register(self, name: str, artifact: bytes, checks: bytes = b"", **changes: object) -> ModelVersion:
        if not checks:
            predictor = MemoryEngine().load(artifact, engine="sklearn", signature=SIGNATURE)
            rows = ("good film", "bad film", "")
            p = tuple(map(tuple, predictor.predict(rows).tolist()))
            checks = msgspec.json.encode(Checks(rows=rows, probabilities=p))
        stored = {"artifact": self.objects.put(artifact), "checks": self.objects.put(checks)}
        version = model_version(name, **stored | changes)
        self.ledger.commit(entry(f"model-{name}-{len(self.ledger.state.entries)}", version))
        return version

    def split(self, incumbent: str, **changes: object) -> bool:
        self.revision += 1
        split = TrafficSplit(loop=LOOP, revision=self.revision, incumbent=VersionName(incumbent), **changes)
        self.ledger.commit(entry(f"split-{self.revision}", split))
        return self.refresh()

    @property
    def recorded(self) -> list[Exchange]:
        """Everything that was recorded, request by request."""
        return [exchange for turn in self.turns for exchange in turn.exchanges()]

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.ledger, self.objects, self.engine)

    def refresh(self) -> bool:
        return self.gateway.refresh(self.shelf)

    def ask(self, *rows: str, **asked: object) -> Answer:
        """The answer to one request; what was refused is raised."""
        question = Question(**{"id": "r", "rows": rows or ("good",)} | asked)
        (answer,) = self.gateway.answer([question])
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.gateway.close()
