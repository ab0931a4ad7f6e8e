"""The limits that a run keeps by itself, so that they hold when nobody watches."""

import os
import resource
import signal
import threading

from loopline.adapters.subprocess.folder import RunFolder, overtime
from loopline.records.model import RunSpec

_GRACE_SECONDS = 5


def limit_memory(spec: RunSpec) -> None:
    """Grant ``memory_mb`` of address space; what asks for more gets a MemoryError. 0: no limit."""
    if spec.memory_mb:
        size = spec.memory_mb * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


class Deadline:
    """Ends the process and its group when the time is up, unless the run finishes first."""

    def __init__(self, spec: RunSpec, *, folder: RunFolder) -> None:
        self._folder, self._ending = folder, overtime(spec.seconds)
        self._lock = threading.Lock()
        self._timer = threading.Timer(spec.seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()
        # A library that keeps the interpreter lock would silence the timer; the kernel's alarm needs no lock.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, spec.seconds + _GRACE_SECONDS)

    def lift(self) -> None:
        """From here on the run may end in peace. Does not return when the time was up already."""
        self._lock.acquire()
        self._timer.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _expire(self) -> None:
        self._lock.acquire()
        self._folder.conclude(self._ending)
        if os.getpgrp() == os.getpid():  # started by hand, the group may be the whole shell script's
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)
