"""Predictions that wait for the log: a queue that cannot grow without bound."""

from collections import deque
from itertools import islice
from threading import Lock

from loopline.records.prediction import Prediction


class Buffer:
    """A first-in first-out queue, bounded by rows and by bytes of input, safe to share between threads.

    >>> buffer = Buffer(rows=0, size=1_000)
    >>> len(buffer)
    0
    """

    def __init__(self, *, rows: int, size: int) -> None:
        self._rows, self._size = rows, size
        self._lock = Lock()
        self._waiting: deque[Prediction] = deque()
        self._bytes = 0
        self._is_open = True

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, prediction: Prediction) -> bool:
        """Whether there was room; without it, or once closed, nothing happens."""
        size = len(prediction.inputs)
        with self._lock:
            if not self._is_open or len(self._waiting) >= self._rows or self._bytes + size > self._size:
                return False
            self._waiting.append(prediction)
            self._bytes += size
            return True

    def head(self, rows: int) -> list[Prediction]:
        """The oldest predictions, at most ``rows``; they keep their place until they are removed."""
        with self._lock:
            return list(islice(self._waiting, rows))

    def remove(self, rows: int) -> None:
        """Forget the oldest ``rows``: they are stored, or counted as dropped."""
        with self._lock:
            for _ in range(rows):
                self._bytes -= len(self._waiting.popleft().inputs)

    def close(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._is_open = False
