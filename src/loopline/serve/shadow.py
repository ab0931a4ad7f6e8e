"""Answers that nobody waits for: the challenger scores, unseen, what the incumbent answered."""

from collections.abc import Callable
from queue import Full, Queue
from typing import Protocol

from loopline.records.prediction import Arm, Prediction
from loopline.serve.sample import Sample
from loopline.serve.table import Loaded

WAITING_REQUESTS = 256
Record = Callable[[Prediction], None]


class Ask(Protocol):
    """One question to one version."""

    def __call__(self, loaded: Loaded, *, arm: Arm, asked: tuple[Sample, ...]) -> tuple[Prediction, ...]:
        """One prediction a sample."""
        ...


class Shadow:
    """A bounded queue of requests, worked off on a thread of its own; what finds no room is counted by ``drop``."""

    def __init__(self, ask: Ask, *, record: Record, drop: Callable[[int], None]) -> None:
        self._ask, self._record, self._drop = ask, record, drop
        self._waiting: Queue[tuple[Loaded, tuple[Sample, ...]] | None] = Queue(WAITING_REQUESTS)

    def offer(self, loaded: Loaded, *, asked: tuple[Sample, ...]) -> None:
        """Have the version score these samples soon. Never waits."""
        try:
            self._waiting.put_nowait((loaded, asked))
        except Full:
            self._drop(len(asked))

    def run(self) -> None:
        """Score what waits, in order, until ``end``."""
        while (work := self._waiting.get()) is not None:
            for prediction in self._ask(work[0], arm="shadow", asked=work[1]):
                self._record(prediction)

    def end(self) -> None:
        """Return from ``run`` once what waits now is scored."""
        self._waiting.put(None)
