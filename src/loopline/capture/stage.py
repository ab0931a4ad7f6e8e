"""Capture: predictions in, a durable log out; the caller never waits, and nothing vanishes uncounted."""

from collections.abc import Sequence

import msgspec

from loopline.capture.accounting import correction, live_rows
from loopline.capture.buffer import Buffer
from loopline.capture.sampling import is_sampled, request_of
from loopline.capture.writer import BATCH, Writer
from loopline.ports.counters import Counters
from loopline.ports.prediction_log import PredictionLog
from loopline.records.prediction import Prediction

WAITING_BYTES = 64 << 20


def reconcile(counters: Counters, *, log: PredictionLog) -> int:
    """How many answers the last process took with it, now counted as dropped; call it before anything is offered."""
    totals = correction(counters.read(), held=live_rows(log.tally()))
    for name, amount in totals._asdict().items():
        counters.add(name, amount)
    return totals.dropped


class Capture:
    """Takes predictions at the speed of memory and writes them in batches on a thread of its own.

    The law: answered = stored + repeated + dropped + sampled_out + waiting, for every arm but shadow. ``answered`` is
    counted first, so that a kill at any instant leaves a difference, which the next start counts as dropped. A
    failing log is tried again, ever more slowly, while the buffer fills; what finds no room is dropped.
    """

    def __init__(self, log: PredictionLog, *, counters: Counters, sample: float = 1.0, rows: int = 10_000) -> None:
        self.lost = reconcile(counters, log=log)
        self._log, self._counters, self._sample = log, counters, sample
        self._held = live_rows(log.tally())
        self._buffer = Buffer(rows=rows, size=WAITING_BYTES)
        self.writer = Writer(self._buffer, store=self._store, drop=self._drop)

    @property
    def waiting(self) -> int:
        """Predictions in memory, not yet in the log."""
        return len(self._buffer)

    def offer(self, prediction: Prediction) -> None:
        """Count the prediction and queue it for the log. Never waits for a disk, never raises."""
        is_live = prediction.arm != "shadow"
        if is_live:
            self._counters.add("answered")
            self._counters.add("failed", int(bool(prediction.failure)))
        if self._sample < 1.0:
            if not is_sampled(request_of(prediction), share=self._sample):
                self._counters.add("sampled_out", int(is_live))
                return
            prediction = msgspec.structs.replace(prediction, sampled=self._sample)
        if not self._buffer.put(prediction):
            self._drop([prediction])
        elif len(self._buffer) == BATCH:
            self.writer.wake()

    def close(self) -> None:
        """Store what waits and stop; whatever is offered later is dropped, and counted."""
        self._buffer.close()
        self.writer.close()

    def _store(self, batch: Sequence[Prediction]) -> None:
        self._log.append(batch)
        held = live_rows(self._log.tally())  # the log's truth: exact even when an earlier attempt was half-heard
        stored, self._held = held - self._held, held
        self._counters.add("stored", stored)
        self._counters.add("repeated", sum(p.arm != "shadow" for p in batch) - stored)

    def _drop(self, batch: Sequence[Prediction]) -> None:
        for prediction in batch:
            self._counters.add("shadow_dropped" if prediction.arm == "shadow" else "dropped")
