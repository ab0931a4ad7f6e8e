"""A queue of frames in memory: it lives as long as the object does."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from threading import Lock


class MemoryFrames:
    """At most ``size`` bytes of frames, first in first out.

    >>> frames = MemoryFrames(size=8)
    >>> frames.put(b"first"), frames.put(b"second"), frames.head(9), frames.removed()
    (1, 0, [b'first'], 0)
    """

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._waiting: deque[bytes] = deque()
        self._bytes = self._removed = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, frame: bytes) -> int:
        """The place of the frame, counted from 1; 0 without room."""
        with self._lock:
            if self._bytes + len(frame) > self._size:
                return 0
            self._bytes += len(frame)
            self._waiting.append(frame)
            return self._removed + len(self._waiting)

    def head(self, frames: int) -> Sequence[bytes]:
        """The oldest frames, at most so many."""
        with self._lock:
            return list(islice(self._waiting, frames))

    def remove(self, frames: int) -> None:
        """Forget the oldest ``frames``."""
        with self._lock:
            for _ in range(frames):
                self._bytes -= len(self._waiting.popleft())
                self._removed += 1

    def removed(self) -> int:
        """How many frames were ever removed."""
        return self._removed
