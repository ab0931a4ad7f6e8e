"""Work on many pieces by a few threads of this process."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

P = TypeVar("P")
R = TypeVar("R")


class ThreadFleet:
    """So many threads: of use where the work leaves Python's lock, as Arrow and NumPy do."""

    def __init__(self, workers: int = 2) -> None:
        self._workers = workers

    def map(self, work: Callable[[P], R], pieces: Sequence[P]) -> Iterator[R]:
        """What ``work`` makes of each piece, in order; as many as there are threads, and one, are begun at a time."""
        waiting: deque[Future[R]] = deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="fleet") as pool:
            try:
                for piece in pieces:
                    waiting.append(pool.submit(work, piece))
                    if len(waiting) > self._workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for each in waiting:
                    each.cancel()
