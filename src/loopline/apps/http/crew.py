"""The threads that ask slow models, so that a slow one holds up neither health nor other requests."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Final, NamedTuple

import numpy as np

from loopline.errors import Busy
from loopline.serve.question import Answer, Question

WORKERS: Final = 8
MOST_REQUESTS, MOST_ROWS, MOST_BYTES = 1_000, 200_000, 256 << 20
"""That wait; with more, it is better to say so than to let everybody wait longer."""
TOGETHER_ROWS: Final = 512
"""Rows that are asked in one go when so many wait."""
Ask = Callable[[Sequence[Question]], list[Answer | Exception]]


class Waiting(NamedTuple):
    """A question in the queue."""

    question: Question
    is_batched: bool
    """Whether its model takes less time for rows that are asked together."""
    answered: asyncio.Future[Answer | Exception]
    loop: asyncio.AbstractEventLoop
    size: int
    """Of its rows: bytes, or characters."""


def size_of(question: Question) -> int:
    """Bytes of its rows, or characters.

    >>> size_of(Question(id="r", rows=("good", "so")))
    6
    """
    rows = question.rows
    return rows.nbytes if isinstance(rows, np.ndarray) else sum(map(len, rows))


class Crew:
    """Questions wait in one line; each worker takes the oldest, and with it what waits behind where that pays.

    There is no timer: a batch is what queued while the last one ran.
    """

    def __init__(self, ask: Ask, *, seconds: float, workers: int = WORKERS) -> None:
        self._ask, self._seconds = ask, seconds
        self._lock = Lock()
        self._line: deque[Waiting] = deque()
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._rows = self._bytes = 0
        self._threads = [Thread(target=self._run, name=f"model-{n}", daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def requests(self) -> int:
        """Requests that wait."""
        return len(self._line)

    @property
    def rows(self) -> int:
        """Rows that wait."""
        return self._rows

    async def answer(self, question: Question, *, is_batched: bool) -> Answer | Exception:
        """The gateway's answer. Raises Busy when too many wait, or when it takes too long."""
        loop = asyncio.get_running_loop()
        waiting = Waiting(question, is_batched, loop.create_future(), loop, size_of(question))
        with self._lock:
            if len(self._line) >= MOST_REQUESTS or self._rows >= MOST_ROWS or self._bytes >= MOST_BYTES:
                raise Busy("model", reason=f"{len(self._line):,} requests with {self._rows:,} rows wait", seconds=1)
            self._line.append(waiting)
            self._rows += len(question.rows)
            self._bytes += waiting.size
        self._calls.put(True)
        try:
            return await asyncio.wait_for(waiting.answered, self._seconds)
        except TimeoutError:
            reason = f"no answer within {self._seconds:g} s"
            raise Busy("model", reason=reason, seconds=max(1, round(self._seconds))) from None

    def close(self) -> None:
        """End the workers once they have done what they are doing; what still waits is not asked."""
        with self._lock:
            self._line.clear()
            self._rows = self._bytes = 0
        for _ in self._threads:
            self._calls.put(False)

    def _run(self) -> None:
        while self._calls.get():
            batch = [one for one in self._next() if not one.answered.done()]
            if batch:
                answers = self._ask([one.question for one in batch])
                for one, answer in zip(batch, answers, strict=True):
                    _deliver(one, answer)

    def _next(self) -> list[Waiting]:
        """The oldest, and what may be asked together with it; nothing when another worker was faster."""
        batch: list[Waiting] = []
        rows = 0
        with self._lock:
            while self._line:
                one = self._line[0]
                fits = one.is_batched and rows + len(one.question.rows) <= TOGETHER_ROWS
                if batch and not (fits and batch[0].is_batched):
                    break
                batch.append(self._line.popleft())
                rows += len(one.question.rows)
            self._rows -= rows
            self._bytes -= sum(one.size for one in batch)
        return batch


def _deliver(one: Waiting, answer: Answer | Exception) -> None:
    def deliver() -> None:
        if not one.answered.done():
            one.answered.set_result(answer)

    try:
        one.loop.call_soon_threadsafe(deliver)
    except RuntimeError:  # the loop has ended: nobody waits any more
        return
