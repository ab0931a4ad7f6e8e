"""Processes that the demo starts, starts again when they die, and takes along when it ends."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from loopline.errors import Unavailable

GRACE_SECONDS = 8.0
"""Between asking a process to end and ending it."""
SHORT_SECONDS = 30.0
FAILURES = 5
"""Lives in a row, each shorter than that and ended by an error of its own: then it is not worth another try."""
REFUSED = 2
"""Exit code of a command that explained what is wrong with its surroundings."""


@dataclass(kw_only=True)
class Child:
    """One process, by the module it runs; what it prints goes to a log file."""

    name: str
    order: tuple[str, ...]
    """Module and arguments."""
    log: Path
    starts: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)
    _started: float = 0.0
    _failures: int = 0

    def ensure(self) -> str:
        """Have it running; a sentence when it had died and was started again, else empty.

        Raises Unavailable, with its last words, when it refuses or keeps dying.
        """
        if self._process is None:
            self._start()
            return ""
        code = self._process.poll()
        if code is None:
            return ""
        has_failed = code > 0 and time.monotonic() - self._started < SHORT_SECONDS
        self._failures = self._failures + 1 if has_failed else 0
        if code == REFUSED or self._failures >= FAILURES:
            raise Unavailable(f"the demo's {self.name}", reason=self.last_words(), remedy=f"see {self.log}")
        self._start()
        return f"the {self.name} ended ({_ending(code)}) and was started again"

    def wait(self, seconds: float) -> int | None:
        """Its exit code, once it has ended by itself within this time; None otherwise."""
        if self._process is None:
            return None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ask it to end, wait, then end it."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        if self.wait(GRACE_SECONDS) is None:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The last line that it printed."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.is_file() else []
        return lines[-1] if lines else "it said nothing"

    def _start(self) -> None:
        order = [sys.executable, "-m", "loopline.apps.demo.tether", str(os.getpid()), *self.order]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and modules
                order, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_sparing()
            )
        self.starts += 1
        self._started = time.monotonic()


def _sparing() -> dict[str, str]:
    """Our surroundings, with one thread for each numeric library: here several processes share a few cores."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return threads | os.environ


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"
