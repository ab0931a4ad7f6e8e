"""Lines that wait in memory: a queue that cannot grow without bound, and that nobody can be stuck at."""

from __future__ import annotations

import collections
import threading
from typing import NamedTuple

PATIENCE_SECONDS = 0.1
"""The longest that a caller waits for the lock; only a caller that interrupts itself, in a signal, waits so long."""


class Line(NamedTuple):
    """One line, and the door it goes to."""

    path: str
    content: bytes


class Waiting:
    """First in, first out; bounded by lines and by bytes, those on their way to the server included.

    >>> waiting = Waiting(lines=1, size=100)
    >>> waiting.put(Line("/v1/outcomes", b"{}")), waiting.put(Line("/v1/outcomes", b"{}"))
    (True, False)
    """

    def __init__(self, *, lines: int, size: int) -> None:
        self._lines, self._size = lines, size
        self._queue: collections.deque[Line] = collections.deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, line: Line) -> bool:
        """Whether there was room; without it nothing happens."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            return False
        try:
            if len(self._queue) >= self._lines or self._bytes + len(line.content) > self._size:
                return False
            self._queue.append(line)
            self._bytes += len(line.content)
            return True
        finally:
            self._lock.release()

    def head(self, *, lines: int, size: int) -> list[Line]:
        """The oldest lines, at most so many lines and bytes, at least one if any waits; they keep their places."""
        found: list[Line] = []
        with self._lock:
            for line in self._queue:
                size -= len(line.content)
                if len(found) == lines or (found and size < 0):
                    break
                found.append(line)
        return found

    def remove(self, lines: int) -> None:
        """Forget the oldest."""
        with self._lock:
            for _ in range(lines):
                self._bytes -= len(self._queue.popleft().content)
