"""Capture: exchanges in, a durable log out; the caller never waits, and nothing vanishes uncounted."""

from collections.abc import Callable, Sequence
from functools import partial

from loopline.capture.accounting import added, dropped, live_rows, shares
from loopline.capture.completing import Completing, Rules
from loopline.capture.framing import framed, one_by_one, read
from loopline.capture.writer import Writer, is_refused
from loopline.ports.counters import Counters
from loopline.ports.frame_queue import FrameQueue
from loopline.ports.object_store import ObjectStore
from loopline.ports.prediction_log import PredictionLog
from loopline.records.exchange import Exchange, Turn


class Capture:
    """Takes exchanges at the speed of memory, and loses count of none: ``ports/counters.py`` states the law."""

    def __init__(self, queue: FrameQueue, *, counters: Counters) -> None:
        self._queue, self._add = queue, counters.add
        self._put: Callable[[bytes], int] = queue.put

    @property
    def waiting(self) -> int:
        """Exchanges that are not yet recorded."""
        return len(self._queue)

    def offer(self, exchange: Exchange | Turn) -> int:
        """Count the rows, queue them for the log, and return their place; 0: dropped. Never waits, never raises."""
        rows, is_live = exchange.rows, exchange.arm != "shadow"
        if is_live:  # counted first: what a kill takes shows as a difference
            self._add("answered", rows)
            if exchange.failure:
                self._add("failed", rows)
        frame = framed(exchange)
        place = self._put(frame) if frame else 0
        if not place:
            self._add("dropped" if is_live else "shadow_dropped", rows)
        return place

    def is_settled(self, place: int) -> bool:
        """Whether the exchange at this place is in the log, or was refused and counted."""
        return self._queue.removed() >= place

    def close(self) -> None:
        """Drop, and count, whatever is offered from now on."""
        self._put = lambda _: 0


class Recorder(Writer):
    """Empties the queue into the log, in order, on a thread of its own: the one writer that a log has.

    A frame leaves the queue once the log holds its rows for good and they are counted; whatever kills the process in
    between, the next recorder finds the frame, or the word in the counters that it is accounted for.
    """

    def __init__(
        self, queue: FrameQueue, *, log: PredictionLog, objects: ObjectStore, counters: Counters, rules: Rules
    ) -> None:
        self._queue, self._log, self._counters = queue, log, counters
        self._batch = partial(Completing(rules).batch, put=objects.put)
        if 0 < (ahead := counters.settled() - queue.removed()) <= len(queue):
            queue.remove(ahead)
        super().__init__(queue.head, waiting=queue.__len__, store=self._store, drop=self._drop)

    def _drop(self, frames: Sequence[bytes]) -> None:
        self._store(frames, refused=[one for one in one_by_one(frames) if is_refused(partial(self._log_alone, one))])

    def _log_alone(self, one: Exchange | None) -> None:
        self._log.append(self._batch([one]).predictions)

    def _store(self, frames: Sequence[bytes], *, refused: Sequence[Exchange | None] | None = None) -> None:
        batch = self._batch([*map(read, frames)] if refused is None else one_by_one(frames, without=refused))
        self._log.append(batch.predictions)
        held, counted = live_rows(self._log.tally()), self._counters.read()["stored"]
        amounts = added(batch.amounts, shares(batch.live, held=held, counted=counted), dropped(refused or ()))
        self._counters.settle(amounts, through=self._queue.removed() + len(frames))
        self._queue.remove(len(frames))
        self._counters.settle({}, through=0)
