"""Answers that nobody waits for: the challenger scores, unseen, what the incumbent answered."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, Full, Queue

from loopline.serve.question import Answer, Asked, Question
from loopline.serve.table import Loaded

WAITING_REQUESTS = 256
WAITING_ROWS = 10_000
"""Of all requests that wait: one alone may hold ten times as many."""
TOGETHER = 32
"""Requests that are scored in one go when so many wait."""
UNSEEN = "an unseen copy of what the incumbent answered"
Ask = Callable[[Loaded, Sequence[Asked]], list[Answer]]
"""What the version says about each question; recorded."""


class Shadow:
    """A queue of requests, bounded in requests and in rows, worked off on a thread of its own.

    Rows that find no room, or are abandoned, are counted by ``drop``.
    """

    def __init__(self, ask: Ask, *, drop: Callable[[int], None]) -> None:
        self._ask, self._drop = ask, drop
        self._waiting: Queue[tuple[Loaded, Question] | None] = Queue(WAITING_REQUESTS)
        # The room left, in rows. Who takes it out of its one slot is alone with it until it is put back.
        self._room: Queue[int] = Queue(1)
        self._room.put(WAITING_ROWS)

    def offer(self, loaded: Loaded, *, question: Question) -> None:
        """Have the version score this question soon. Never waits for a model."""
        rows = len(question.rows)
        room, taken = self._room.get(), 0
        try:
            if rows <= room:
                self._waiting.put_nowait((loaded, question))
                taken = rows
        except Full:
            pass
        finally:
            self._room.put(room - taken)
        if not taken:
            self._drop(rows)

    def run(self) -> None:
        """Score what waits, in order, until ``end``; what waits for the same version is scored together."""
        work = self._waiting.get()
        while work is not None:
            loaded, questions = work[0], [work[1]]
            work = None
            while work is None and len(questions) < TOGETHER:
                try:
                    work = self._waiting.get_nowait()
                except Empty:
                    break
                if work is None:
                    return self._do(loaded, questions)
                if work[0] is loaded:
                    questions.append(work[1])
                    work = None
            self._do(loaded, questions)
            work = self._waiting.get() if work is None else work
        return None

    def _do(self, loaded: Loaded, questions: list[Question]) -> None:
        self._room.put(self._room.get() + sum(len(question.rows) for question in questions))
        self._ask(loaded, [Asked(question, "shadow", UNSEEN) for question in questions])

    def close(self, join: Callable[[float], object], *, patience: float) -> None:
        """Score what waits now, or abandon it after so many seconds; ``join`` waits for ``run`` to end."""
        with suppress(Full):
            self._waiting.put(None, timeout=patience)
            join(patience)
        self.abandon()

    def abandon(self) -> None:
        """Return from ``run`` after what is scored now; what still waits is counted as dropped."""
        while True:
            try:
                work = self._waiting.get_nowait()
            except Empty:
                break
            if work is not None:
                self._room.put(self._room.get() + len(work[1].rows))
                self._drop(len(work[1].rows))
        self._waiting.put_nowait(None)
