"""The threads behind a capture: memory to disk when there is a spool, and whatever waits to the server."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from pathlib import Path
from typing import NamedTuple, Sequence

from loopline_client.counting import Tally
from loopline_client.door import SLOWEST_RETRY_SECONDS, Answer, Door
from loopline_client.spool import Segment, Spool
from loopline_client.waiting import Line, Waiting

BATCH_LINES = 500
BATCH_BYTES = 1 << 20
LINGER_SECONDS = 0.25
"""How long a batch waits for company."""
KEEP_SECONDS = 0.05
"""How long a line may be in memory alone when there is a spool."""
IDLE_SECONDS = 5.0
"""Rest between two looks for what ended processes left in the spool."""
FIRST_RETRY_SECONDS = 0.5
SILENCE_SECONDS = 60.0
"""The same trouble is logged no more often."""
logger = logging.getLogger("loopline_client")


class Delivery(NamedTuple):
    """What became of some lines."""

    is_settled: bool
    refused: int
    answer: Answer


class Sender:
    """Takes lines at the speed of memory and sends them from threads of its own, which start with the first line."""

    def __init__(self, door: Door, *, waiting: Waiting, tally: Tally, spool: Spool | None) -> None:
        self.trouble = ""
        """Why the last attempt to send or to spool failed; empty when it did not."""
        self.refusal = ""
        """The last reason for which a line was refused."""
        self._door, self._waiting, self._tally, self._spool = door, waiting, tally, spool
        self._fresh, self._ready, self._full, self._hurry = (threading.Event() for _ in range(4))
        self._closing = threading.Event()
        self._ready.set()  # look at once: the spool may hold something
        self._starting, self._moving = threading.Lock(), threading.Lock()
        self._threads: list[threading.Thread] = []
        self._acts = [self._send_on] if spool is None else [self._send_on, self._keep_on]
        self._failures, self._told, self._told_at = 0, "", -SILENCE_SECONDS
        self._after = 0.0
        self._settled = (Path(), 0)
        """The segment at hand and how many of its lines are settled."""
        self._chance = random.Random()  # noqa: S311  spreads retries; not the caller's generator, whose draws stay the same

    def offer(self, line: Line) -> bool:
        """Whether there was room. Never waits for a disk or a server."""
        if self._closing.is_set() or not self._waiting.put(line):
            return False
        event = self._ready if self._spool is None else self._fresh
        if not event.is_set():
            event.set()
        if len(self._waiting) >= BATCH_LINES and not self._full.is_set():
            self._full.set()
        if len(self._threads) < len(self._acts):
            self.start()
        return True

    def start(self) -> None:
        """Start the threads that do not run yet, each once; one that the system refuses is tried again."""
        if not self._starting.acquire(blocking=False):
            return
        try:
            for act in () if self._closing.is_set() else self._acts[len(self._threads) :]:
                thread = threading.Thread(target=act, name="loopline-client", daemon=True)
                thread.start()
                self._threads.append(thread)
        except RuntimeError as error:
            self.trouble = f"thread: {error}"
        finally:
            self._starting.release()

    def hurry(self) -> None:
        """Send now, whatever was to be waited for."""
        for event in (self._fresh, self._ready, self._full, self._hurry):
            event.set()

    def close(self, timeout: float) -> bool:
        """Whether the threads ended in time; what is in memory then is on the disk, or is left to the caller."""
        self._closing.set()
        self.hurry()
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))
        if any(thread.is_alive() for thread in self._threads):
            return False
        self._door.close()
        if self._spool is not None:
            self._keep(self._spool)
            self._spool.close()
        return True

    def _send_on(self) -> None:
        while not self._closing.is_set():
            try:
                self._adopt()
                self._ready.wait(IDLE_SECONDS)
                self._ready.clear()
                self._full.wait(LINGER_SECONDS)
                self._full.clear()
                while not self._closing.is_set() and not self._drained():
                    self._tell()
                    self._hurry.wait(self._pause())
                    self._hurry.clear()
            except Exception as error:
                self.trouble = f"{type(error).__name__}: {error}"
                self._closing.wait(FIRST_RETRY_SECONDS)
            self._tell()

    def _keep_on(self) -> None:
        while not self._closing.is_set():
            self._fresh.wait(IDLE_SECONDS)
            self._fresh.clear()
            if self._spool is not None:
                self._keep(self._spool)
            self._closing.wait(KEEP_SECONDS)
        if self._spool is not None:  # what came during the last rest; the other thread may hang at the server
            self._keep(self._spool)

    def _keep(self, spool: Spool) -> None:
        """Move lines from memory to the disk while it takes them."""
        with self._moving:
            while True:
                lines = self._waiting.head(lines=BATCH_LINES, size=BATCH_BYTES)
                try:
                    kept = spool.append(lines)
                except OSError as error:
                    self.trouble = f"spool: {error}"
                    break
                self._waiting.remove(kept)
                if not lines or kept < len(lines):
                    break
        self._ready.set()

    def _drained(self) -> bool:
        """Whether all that waited is settled; False when the server has to be left alone for a while."""
        spool = self._spool
        while spool is not None and not self._closing.is_set():
            segment = spool.oldest()
            if segment is None:
                break
            if not self._sent_segment(segment, spool):
                return False
        while not self._closing.is_set():
            # With a spool, memory is sent from only while the disk takes nothing.
            with self._moving if spool is not None else contextlib.nullcontext():
                lines = self._waiting.head(lines=BATCH_LINES, size=BATCH_BYTES)
                if not lines or (spool is not None and not self.trouble.startswith("spool")):
                    return True
                if not self._sent(lines):
                    return False
                self._waiting.remove(len(lines))
        return True

    def _sent_segment(self, segment: Segment, spool: Spool) -> bool:
        path, first = self._settled
        first = first if path == segment.path else 0
        while first < len(segment.lines) and not self._closing.is_set():
            batch = segment.lines[first : first + BATCH_LINES]
            if not self._sent(batch):
                return False
            first += len(batch)
            self._settled = (segment.path, first)
        if first >= len(segment.lines):
            spool.remove(segment)
            self._tally.add("dropped", segment.torn)
        return True

    def _sent(self, lines: Sequence[Line]) -> bool:
        """Whether every one of the lines is settled now; then they are counted."""
        refused, answer = 0, Answer(True)
        for path in sorted({line.path for line in lines}, reverse=True):  # predictions before their outcomes
            delivery = self._delivered(path, [line.content for line in lines if line.path == path])
            refused, answer = refused + delivery.refused, delivery.answer
            if answer.trouble and delivery.is_settled:
                self.refusal = answer.trouble
            if not delivery.is_settled:
                break
        self.trouble = "" if answer.is_settled else answer.trouble
        self._failures = 0 if answer.is_settled else self._failures + 1
        self._after = answer.after
        if answer.is_settled:
            self._tally.add("sent", len(lines) - refused)
            self._tally.add("refused", refused)
        return answer.is_settled

    def _delivered(self, path: str, lines: Sequence[bytes]) -> Delivery:
        answer = self._door.post(path, lines)
        if not answer.is_too_much:
            return Delivery(answer.is_settled, answer.refused, answer)
        middle = len(lines) // 2
        first = self._delivered(path, lines[:middle])
        if not first.is_settled:
            return first
        second = self._delivered(path, lines[middle:])
        trouble = second.answer.trouble or first.answer.trouble
        return Delivery(second.is_settled, first.refused + second.refused, second.answer._replace(trouble=trouble))

    def _pause(self) -> float:
        """How long to leave the server alone: twice as long each time, spread so that clients do not come together."""
        backoff = min(FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 20), SLOWEST_RETRY_SECONDS)
        return max(backoff * self._chance.uniform(0.5, 1.0), self._after * self._chance.uniform(1.0, 1.25))

    def _adopt(self) -> None:
        if self._spool is not None:
            found = self._spool.adopt()
            self._tally.add("accepted", found)
            if found:
                self._ready.set()

    def _tell(self) -> None:
        """Log what is wrong, when it is new or has lasted."""
        trouble, now = self.trouble or self.refusal, time.monotonic()
        if trouble and (trouble != self._told or now - self._told_at >= SILENCE_SECONDS):
            self._told, self._told_at = trouble, now
            logger.warning("predictions are not reaching Loopline: %s", trouble)
