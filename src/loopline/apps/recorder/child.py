"""The recorder as the server sees it: a child that is started again when it dies, and told to finish at the end."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread

import msgspec

from loopline.apps.recorder.life import STALL_SECONDS, Life, Stall, stalled
from loopline.apps.recorder.words import Orders, Word, sentences, write_orders
from loopline.ports.frame_queue import FrameQueue
from loopline.records.settings import Settings

READY_SECONDS = 20.0
FAREWELL_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 10.0
SOUND_SECONDS = 60.0
"""A recorder that ran for so long is started again at once."""


class RecorderChild:
    """Keeps a recorder at work in the folder ``root``.

    The first one balances the account, before the server answers anything: making this waits for that, ``patience``
    seconds at most. One that is not ready by then is ended, and those that follow only record; until one does, what is
    answered waits in the ring. ``now``: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        settings: Settings,
        root: Path,
        *,
        patience: float = READY_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        write_orders(Orders(settings=settings, secret=str((root / "secret").resolve())), root=root)
        self.lost = 0
        """Answers that the last processes took with them, counted as dropped."""
        self._command = (sys.executable, "-m", "loopline.apps.recorder", str(root.resolve()))
        self._lock, self._begun, self._closing = Lock(), Event(), Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._word, self._late = Word(), ""
        self._now, self._life = now, Life(now=now)
        self._stall: Stall | None = None
        self._thread = Thread(target=self._run, name="recorder child", daemon=True)
        self._thread.start()
        if not self._begun.wait(patience):
            self._late = (
                f"the recorder was not ready within {patience:g} s: what is answered waits for it, or is dropped"
            )
            with self._lock:
                self._begun.set()
                if self._process:
                    self._process.kill()

    def watch(self, queue: FrameQueue) -> None:
        """Tell of it, from now on, when what waits in this queue is not taken."""
        self._stall = Stall(queue, now=self._now)

    def troubles(self) -> tuple[str, ...]:
        """What is wrong now, a sentence each."""
        return tuple(filter(None, (self._late, *sentences(self._word), self._idle(), self._life.sentence())))

    def close(self, *, patience: float = FAREWELL_SECONDS) -> None:
        """Let the recorder store what waits, and end it; what it does not manage in time waits for the next start."""
        self._closing.set()
        with self._lock:
            process = self._process
            if process and process.stdin:
                process.stdin.close()
        self._thread.join(patience)
        if process and self._thread.is_alive():
            process.kill()
            self._thread.join()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._closing.is_set():
            self._life.begins()
            try:
                self._watch()
            except OSError as error:  # no process can be made now
                self._word = Word(trouble=f"the recorder cannot be started: {error.strerror}")
            if not self._closing.is_set():
                self._life.died()
            pause = FIRST_PAUSE_SECONDS if self._life.seconds > SOUND_SECONDS else pause
            self._closing.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _watch(self) -> None:
        """Start a recorder and hear what it says until it ends."""
        with self._lock:
            if self._closing.is_set():
                return
            command = [*self._command, *(["--resume"] if self._begun.is_set() else [])]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        with self._process as process:
            for line in process.stdout or ():
                self._hear(line)

    def _idle(self) -> str:
        """That the recorder does nothing, unless it says why itself, or was started a moment ago."""
        standstill, process = self._stall and self._stall.look(), self._process
        if not standstill or not process or self._word.trouble or self._life.seconds < STALL_SECONDS:
            return ""
        return stalled(standstill, process=process.pid)

    def _hear(self, line: bytes) -> None:
        try:
            word = msgspec.json.decode(line, type=Word)
        except msgspec.DecodeError:
            return  # the last words of one that was killed
        self._word = word
        if word.ready:
            self._late = ""
            if not self._begun.is_set():
                self.lost = word.lost
                self._begun.set()
