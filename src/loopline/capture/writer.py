"""The thread that empties the queue into the log, batch by batch, and never gives up while it may still succeed."""

from collections.abc import Callable, Sequence
from threading import Event, Thread

from loopline.errors import InvalidRecord, LooplineError

BATCH = 1_000
"""Frames in one append; as many waiting ones are written without a pause."""
BATCH_BYTES = 2 << 20
"""A batch is larger only when a single frame is: what is decoded at once must not grow with the queue."""
FLUSH_SECONDS = 0.05
"""The longest that a frame waits while the log takes them."""
SLOWEST_RETRY_SECONDS = 1.0
FAREWELLS = 5
"""Attempts that closing makes on a log that fails; what is left then waits for the next start."""

Act = Callable[[Sequence[bytes]], None]
REFUSALS = (InvalidRecord, ValueError, TypeError, ArithmeticError)
"""What another attempt with the same frames would raise again."""


def is_refused(act: Callable[[], object]) -> bool:
    """Whether what was tried breaks a rule, and would again."""
    try:
        act()
    except REFUSALS:
        return True
    return False


class Writer:
    """Hands the oldest frames to ``store``, which takes them off the queue; to ``drop`` what cannot be stored.

    When ``store`` refuses, the batch is halved until the one frame that it refuses stands alone; of that frame ``drop``
    keeps what it can. Any other failure is tried again, each pause twice the last, while the queue fills behind it.
    """

    def __init__(
        self, head: Callable[[int], Sequence[bytes]], *, waiting: Callable[[], int], store: Act, drop: Act
    ) -> None:
        self.trouble = ""
        """Why the last batch could not be stored; empty when it could."""
        self.refusal = ""
        """Why the last frame that was refused for good was."""
        self._head, self._waiting, self._store, self._drop = head, waiting, store, drop
        self._wake, self._closing = Event(), Event()
        self._thread = Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; before it is closed only a fault of the program ends it."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Store what waits and end; what a failing log does not take keeps waiting."""
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        pause, farewells = FLUSH_SECONDS, FAREWELLS
        while farewells:
            self._wake.wait(pause)
            self._wake.clear()
            is_last_call = self._closing.is_set()
            is_written = self._flush()
            if is_last_call and is_written:
                return
            pause = FLUSH_SECONDS if is_written else min(pause * 2, SLOWEST_RETRY_SECONDS)
            farewells -= is_last_call

    def _flush(self) -> bool:
        """Whether every frame that waited when the flush began is stored, or dropped because it never will be."""
        frames, left = BATCH, self._waiting()
        while left > 0:
            batch = self._head(min(frames, left))
            if len(batch) > 1 and (size := sum(map(len, batch))) > BATCH_BYTES:
                batch = batch[: max(1, len(batch) * BATCH_BYTES // size)]
            try:
                if not self._is_done(self._store, batch):
                    return False
            except REFUSALS as error:
                if len(batch) > 1:
                    frames = len(batch) // 2
                    continue
                self.refusal = str(error)
                if not self._is_done(self._drop, batch):
                    return False
            frames, left = min(len(batch) * 2, BATCH), left - len(batch)
        self.trouble = ""
        return True

    def _is_done(self, act: Act, batch: Sequence[bytes]) -> bool:
        """Whether the act succeeded; why not, unless it refused, is the trouble."""
        try:
            act(batch)
        except REFUSALS:
            raise
        except (LooplineError, OSError) as error:
            self.trouble = str(error)
            return False
        return True
