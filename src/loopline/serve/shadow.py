"""Answers that nobody waits for: the challenger scores, unseen, what the incumbent answered."""

from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Protocol

from loopline.records.prediction import Arm, Prediction
from loopline.serve.sample import Sample
from loopline.serve.table import Loaded

WAITING_REQUESTS = 256
WAITING_ROWS = 10_000
"""Of all requests that wait: one alone may hold ten times as many."""
Record = Callable[[Prediction], None]


class Ask(Protocol):
    """One question to one version."""

    def __call__(self, loaded: Loaded, *, arm: Arm, asked: tuple[Sample, ...]) -> tuple[Prediction, ...]:
        """One prediction a sample."""
        ...


class Shadow:
    """A queue of requests, bounded in requests and in rows, worked off on a thread of its own.

    Rows that find no room, or are abandoned, are counted by ``drop``.
    """

    def __init__(self, ask: Ask, *, record: Record, drop: Callable[[int], None]) -> None:
        self._ask, self._record, self._drop = ask, record, drop
        self._waiting: Queue[tuple[Loaded, tuple[Sample, ...]] | None] = Queue(WAITING_REQUESTS)
        # The room left, in rows. Who takes it out of its one slot is alone with it until it is put back.
        self._room: Queue[int] = Queue(1)
        self._room.put(WAITING_ROWS)

    def offer(self, loaded: Loaded, *, asked: tuple[Sample, ...]) -> None:
        """Have the version score these samples soon. Never waits for a model."""
        room, taken = self._room.get(), 0
        try:
            if len(asked) <= room:
                self._waiting.put_nowait((loaded, asked))
                taken = len(asked)
        except Full:
            pass
        finally:
            self._room.put(room - taken)
        if not taken:
            self._drop(len(asked))

    def run(self) -> None:
        """Score what waits, in order, until ``end``."""
        while (work := self._waiting.get()) is not None:
            self._room.put(self._room.get() + len(work[1]))
            for prediction in self._ask(work[0], arm="shadow", asked=work[1]):
                self._record(prediction)

    def end(self, *, patience: float) -> bool:
        """Return from ``run`` once what waits now is scored; False when no room for this came up in so many seconds."""
        try:
            self._waiting.put(None, timeout=patience)
        except Full:
            return False
        return True

    def abandon(self) -> None:
        """Return from ``run`` after what is scored now; what still waits is counted as dropped."""
        while True:
            try:
                work = self._waiting.get_nowait()
            except Empty:
                break
            if work is not None:
                self._room.put(self._room.get() + len(work[1]))
                self._drop(len(work[1]))
        self._waiting.put_nowait(None)
