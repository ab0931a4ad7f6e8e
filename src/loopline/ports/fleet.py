"""Those who do the same work on many pieces: threads, processes, machines."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

P = TypeVar("P")
R = TypeVar("R")


class Fleet(Protocol):
    """Does one piece of work many times."""

    def map(self, work: Callable[[P], R], pieces: Sequence[P]) -> Iterator[R]:
        """What ``work`` makes of each piece, in the order of the pieces; few of them wait in memory at a time.

        ``work``, pieces and results can be pickled; ``work`` depends on nothing but its piece. The first exception of
        a piece is raised in its place, and no further piece is begun.
        """
        ...
