"""Runs a module that ends with its parent, so that no orphan holds a port or a file.

``python -m loopline.apps.demo.tether PARENT MODULE ARGUMENT...``
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that the kernel sends when the parent ends; kept across execve."""


def run_tethered(parent: int, order: list[str]) -> int:
    """Become the order, tied to the parent by the kernel; without Linux, run it and watch the parent."""
    if not sys.platform.startswith("linux"):
        return _watched(parent, order)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was told
        return 1
    return os.execv(order[0], order)  # noqa: S606  our own interpreter


def _watched(parent: int, order: list[str]) -> int:
    child = subprocess.Popen(order)  # noqa: S603  our own interpreter
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(0.2)
    return child.returncode


if __name__ == "__main__":
    sys.exit(run_tethered(int(sys.argv[1]), [sys.executable, "-m", *sys.argv[2:]]))
