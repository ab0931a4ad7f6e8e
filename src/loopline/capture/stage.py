"""Capture: predictions in, a durable log out; the caller never waits, and nothing vanishes uncounted."""

from collections.abc import Sequence
from threading import Event, Thread

import msgspec

from loopline.capture.accounting import correction, live_rows
from loopline.capture.buffer import Buffer
from loopline.capture.sampling import is_sampled, request_of
from loopline.errors import InvalidRecord, LooplineError
from loopline.ports.counters import Counters
from loopline.ports.prediction_log import PredictionLog
from loopline.records.prediction import Prediction

BATCH = 1_000
"""Rows in one append."""
FLUSH_SECONDS = 0.05
"""The longest that an answer waits in memory while the log takes them."""
SLOWEST_RETRY_SECONDS = 1.0
FAREWELLS = 5
"""Attempts that closing makes on a log that fails; what is left then is dropped, and counted."""
WAITING_BYTES = 64 << 20


def reconcile(counters: Counters, *, log: PredictionLog) -> int:
    """How many answers the last process took with it, now counted as dropped; call it before anything is offered."""
    totals = correction(counters.read(), held=live_rows(log.tally()))
    for name, amount in totals._asdict().items():
        counters.add(name, amount)
    return totals.dropped


class Capture:
    """Takes predictions at the speed of memory and writes them in batches on a thread of its own.

    The law: answered = stored + repeated + dropped + sampled_out + waiting, for every arm but shadow. ``answered``
    is counted first, so a kill at any instant leaves a difference that ``reconcile`` counts as dropped at the next
    start. A failing log is tried again, ever more slowly, while the buffer fills; what finds no room is dropped.
    """

    def __init__(self, log: PredictionLog, *, counters: Counters, sample: float = 1.0, rows: int = 10_000) -> None:
        self.lost = reconcile(counters, log=log)
        self.trouble = ""
        """Why the log did not take the last batch; empty when it did."""
        self.refusal = ""
        """Why the log refused the last prediction that it refused for good; that one is counted as dropped."""
        self._log, self._counters, self._sample = log, counters, sample
        self._held = live_rows(log.tally())
        self._buffer = Buffer(rows=rows, size=WAITING_BYTES)
        self._wake, self._closing = Event(), Event()
        self._thread = Thread(target=self._write, name="capture", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Predictions in memory, not yet in the log."""
        return len(self._buffer)

    def offer(self, prediction: Prediction) -> None:
        """Count the prediction and queue it for the log. Never blocks on a disk, never raises."""
        is_live = prediction.arm != "shadow"
        if is_live:
            self._counters.add("answered")
            if prediction.failure:
                self._counters.add("failed")
        if self._sample < 1.0:
            if not is_sampled(request_of(prediction), share=self._sample):
                self._counters.add("sampled_out", int(is_live))
                return
            prediction = msgspec.structs.replace(prediction, sampled=self._sample)
        if not self._buffer.put(prediction):
            self._drop([prediction])
        elif len(self._buffer) == BATCH:
            self._wake.set()

    def close(self) -> None:
        """Store what waits and stop. What a failing log does not take is dropped, and counted."""
        self._buffer.close()
        self._closing.set()
        self._wake.set()
        self._thread.join()

    def _write(self) -> None:
        pause, farewells = FLUSH_SECONDS, FAREWELLS
        while not (self._closing.is_set() and (not self.waiting or farewells == 0)):
            self._wake.wait(pause)
            self._wake.clear()
            is_last_call = self._closing.is_set()
            taken = self._flush()
            pause = FLUSH_SECONDS if taken else min(pause * 2, SLOWEST_RETRY_SECONDS)
            farewells -= is_last_call and not taken
        left = self._buffer.head(self.waiting)
        self._buffer.remove(len(left))
        self._drop(left)

    def _flush(self) -> bool:
        """Whether the log took, or refused for good, every prediction that waited when the flush began."""
        rows, left = BATCH, self.waiting
        while left:
            batch = self._buffer.head(min(rows, left))
            try:
                self._store(batch)
            except InvalidRecord as error:
                if len(batch) > 1:
                    rows = len(batch) // 2  # halve, until only the row that the log refuses is left
                    continue
                self.refusal = str(error)
                self._drop(batch)
            except (LooplineError, OSError) as error:
                self.trouble = str(error)
                return False
            self._buffer.remove(len(batch))
            rows, left = min(rows * 2, BATCH), left - len(batch)
        self.trouble = ""
        return True

    def _store(self, batch: Sequence[Prediction]) -> None:
        self._log.append(batch)
        held = live_rows(self._log.tally())  # the log's truth: exact even when an earlier attempt was half-heard
        stored, self._held = held - self._held, held
        self._counters.add("stored", stored)
        self._counters.add("repeated", sum(p.arm != "shadow" for p in batch) - stored)

    def _drop(self, batch: Sequence[Prediction]) -> None:
        for prediction in batch:
            self._counters.add("shadow_dropped" if prediction.arm == "shadow" else "dropped")
