"""One turn for what reads a whole window at a person's wish: a hundred clicks are one computation at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from loopline.errors import Busy


class OneTurn:
    """Lets one in at a time, lets a few wait for a while, and sends the others away at once."""

    def __init__(self, *, waiting: int, patience_seconds: int) -> None:
        self._line, self._turn, self._patience = BoundedSemaphore(1 + waiting), Lock(), patience_seconds

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the turn while the block runs. Raises Busy when it does not come in time, or too many wait for it."""
        reason = "others are being computed, one at a time"
        busy = Busy("what-if and replay", reason=reason, seconds=max(1, self._patience))
        if not self._line.acquire(blocking=False):
            raise busy
        try:
            if not self._turn.acquire(timeout=self._patience):
                raise busy
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._line.release()


TURN = OneTurn(waiting=4, patience_seconds=30)
"""The one of this process: by page, API and command line alike."""
