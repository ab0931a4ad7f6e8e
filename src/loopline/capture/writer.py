"""The thread that empties the buffer into the log, batch by batch, and never gives up while it may still succeed."""

from collections.abc import Callable, Sequence
from threading import Event, Thread

from loopline.capture.buffer import Buffer
from loopline.errors import InvalidRecord, LooplineError
from loopline.records.prediction import Prediction

BATCH = 1_000
"""Rows in one append; as many waiting rows wake the writer at once."""
FLUSH_SECONDS = 0.05
"""The longest that a prediction waits in memory while the log takes them."""
SLOWEST_RETRY_SECONDS = 1.0
FAREWELLS = 5
"""Attempts that closing makes on a log that fails; what is left then is dropped."""

Act = Callable[[Sequence[Prediction]], None]


class Writer:
    """Stores what waits in the buffer with ``store``, gives what cannot be stored to ``drop``.

    When ``store`` raises InvalidRecord the batch is halved until the one row that the log refuses stands alone; that
    row is dropped. Any other failure is tried again, each pause twice the last, while the buffer fills behind it.
    """

    def __init__(self, buffer: Buffer, *, store: Act, drop: Act) -> None:
        self.trouble = ""
        """Why the log did not take the last batch; empty when it did."""
        self.refusal = ""
        """Why the log refused the last row that it refused for good."""
        self._buffer, self._store, self._drop = buffer, store, drop
        self._wake, self._closing = Event(), Event()
        self._thread = Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Write now rather than in a moment."""
        self._wake.set()

    def close(self) -> None:
        """Store what waits and end; what a failing log does not take is dropped."""
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        pause, farewells = FLUSH_SECONDS, FAREWELLS
        while not (self._closing.is_set() and (len(self._buffer) == 0 or farewells == 0)):
            self._wake.wait(pause)
            self._wake.clear()
            is_last_call = self._closing.is_set()
            is_written = self._flush()
            pause = FLUSH_SECONDS if is_written else min(pause * 2, SLOWEST_RETRY_SECONDS)
            farewells -= is_last_call and not is_written
        left = self._buffer.head(len(self._buffer))
        self._buffer.remove(len(left))
        self._drop(left)

    def _flush(self) -> bool:
        """Whether every prediction that waited when the flush began is stored, or dropped because it never will be."""
        rows, left = BATCH, len(self._buffer)
        while left:
            batch = self._buffer.head(min(rows, left))
            try:
                self._store(batch)
            except InvalidRecord as error:
                if len(batch) > 1:
                    rows = len(batch) // 2
                    continue
                self.refusal = str(error)
                self._drop(batch)
            except (LooplineError, OSError) as error:
                self.trouble = str(error)
                return False
            self._buffer.remove(len(batch))
            rows, left = min(rows * 2, BATCH), left - len(batch)
        self.trouble = ""
        return True
