"""Whether the recorder lives and works, as seen from outside: how often it died, and since when nothing was taken."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from loopline.ports.frame_queue import FrameQueue

FORGIVEN_SECONDS = 600.0
"""A recorder that has lived for so long is sound, however often those before it died."""
STALL_SECONDS = 10.0
"""Frames that wait for so long, with none removed, are told."""


class Life:
    """The ages and deaths of one recorder after the other. ``now``: seconds of a clock that never goes back.

    >>> life = Life(now=lambda: 0.0)
    >>> life.died(); life.sentence()
    'the recorder died once; it is started again'
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._began, self._deaths = now, now(), 0

    @property
    def seconds(self) -> float:
        """For how long the present one has lived."""
        return self._now() - self._began

    def begins(self) -> None:
        """Another one is started."""
        self._began = self._now()

    def died(self) -> None:
        """The present one ended unasked."""
        self._deaths += 1

    def sentence(self) -> str:
        """How often one died; empty when none did, and once the present one has lived for ten minutes."""
        if not self._deaths or self.seconds >= FORGIVEN_SECONDS:
            return ""
        times = "once" if self._deaths == 1 else f"{self._deaths} times"
        return f"the recorder died {times}; it is started again"


class Standstill(NamedTuple):
    """Frames wait, and none of them is taken."""

    removed: int
    """Frames that were ever removed."""
    began: float
    at: datetime
    """When frames were first seen waiting with nothing more removed; the clock's moment, and the same in UTC."""
    waiting: int
    """Frames that waited then."""


class Stall:
    """Notices that a queue is not emptied, by looking at it now and then."""

    def __init__(self, queue: FrameQueue, *, now: Callable[[], float] = time.monotonic) -> None:
        self._queue, self._now = queue, now
        self._seen: Standstill | None = None

    def look(self) -> Standstill | None:
        """Since when nothing is taken though something waits, once that has lasted; None: all is well."""
        removed, waiting, seen = self._queue.removed(), len(self._queue), self._seen
        if not waiting:
            self._seen = None
        elif seen is None or seen.removed != removed:
            self._seen = Standstill(removed, self._now(), datetime.now(UTC), waiting)
        elif self._now() - seen.began >= STALL_SECONDS:
            return seen
        return None


def stalled(standstill: Standstill, *, process: int) -> str:
    """What is wrong with the recorder in this process, and the way out. The same sentence for as long as it lasts."""
    frames = f"{standstill.waiting:,} batch{'' if standstill.waiting == 1 else 'es'}"
    return (
        f"the recorder (process {process}) has taken nothing since {standstill.at:%H:%M:%S} UTC, when {frames} of "
        "answers waited: it was stopped, or its disk or object store does not answer. kill -9 "
        f"{process} ends it, another one takes over and loses nothing; meanwhile answers wait in the ring, and those "
        "that find no room there are dropped and counted"
    )
