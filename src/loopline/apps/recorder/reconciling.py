"""The account, balanced at a start: what is stored and what waits is counted anew, the rest was lost."""

from collections.abc import Iterable

from loopline.capture.accounting import correction, live, live_rows
from loopline.capture.completing import ids
from loopline.capture.framing import one_by_one
from loopline.capture.writer import BATCH
from loopline.errors import NotFound
from loopline.ports.counters import Counters
from loopline.ports.frame_queue import FrameQueue
from loopline.ports.prediction_log import PredictionLog
from loopline.records.exchange import Exchange
from loopline.records.ids import PredictionId


def reconcile(queue: FrameQueue, *, log: PredictionLog, counters: Counters) -> int:
    """How many answers the last processes took with them, now counted as dropped.

    Call it before a ``Recorder`` is made, and before anything is offered. It looks at the one batch that may have been
    stored without being counted.
    """
    totals, held = counters.read(), live_rows(log.tally())
    frames = queue.head(len(queue))
    counted = counters.settled() - queue.removed()
    left = frames[max(counted, 0) if counted <= len(frames) else 0 :]
    waiting = one_by_one(left)
    again = _found(waiting[:BATCH], log=log, most=held - totals["stored"])
    change = correction(totals, held=held - again, waiting=live(waiting))
    for name, amount in change._asdict().items():
        counters.add(name, amount)
    return change.dropped


def _found(exchanges: Iterable[Exchange | None], *, log: PredictionLog, most: int) -> int:
    """Live rows of these exchanges that the log holds already, at most so many."""
    found = 0
    for exchange in exchanges:
        if exchange is not None and exchange.arm != "shadow":
            for id_ in ids(exchange):
                if found >= most:
                    return max(most, 0)
                found += _is_held(id_, log=log)
    return found


def _is_held(id_: PredictionId, *, log: PredictionLog) -> bool:
    try:
        log.find(id_)
    except NotFound:
        return False
    return True
