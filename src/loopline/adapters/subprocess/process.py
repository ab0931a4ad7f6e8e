"""Processes that are known again after our own death: by pid and the moment they started (Linux, ``/proc``)."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

NOBODY = 0
"""The pid of a run that never started."""


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process that no other can be mistaken for, even when its pid is given away again."""

    pid: int
    ticks: int
    """Clock ticks from boot to its start: field 22 of ``/proc/<pid>/stat``."""
    boot: str
    """Of this boot of the machine: ticks repeat after the next."""


def identify(pid: int) -> Process | None:
    """The process that has this pid now; None when there is none."""
    fields = _stat(pid)
    return None if fields is None else Process(pid=pid, ticks=int(fields[19]), boot=_boot())


def standing(process: Process) -> Literal["alive", "ended", "gone"]:
    """Whether it runs, has ended but still holds its pid (a zombie), or is gone and its pid free or another's."""
    if process.pid == NOBODY or process.boot != _boot():
        return "gone"
    fields = _stat(process.pid)
    if fields is None or int(fields[19]) != process.ticks:
        return "gone"
    return "ended" if fields[0] in "ZX" else "alive"


def age_seconds(process: Process) -> float:
    """Seconds since it started, sleep of the machine included; right only in the boot that it belongs to."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process.ticks / os.sysconf("SC_CLK_TCK")


def end_group(process: Process, *, wait_seconds: float = 10.0) -> None:
    """Kill the process and all of its group, and wait until it is dead. Nothing when it is already gone.

    A zombie's group is killed too: its children may live on, and its pid cannot have been given away yet.
    """
    if standing(process) != "gone":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + wait_seconds
    while standing(process) == "alive" and time.monotonic() < deadline:
        time.sleep(0.01)


def reap(process: Process, *, wait_seconds: float = 5.0) -> int | None:
    """Its exit code when it was our child and has ended (minus the signal that killed it), else None.

    Call it for a zombie only. The kernel hands one out when its last thread is gone, which may be a moment later.
    """
    deadline = time.monotonic() + wait_seconds
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid == process.pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
    return None


def _stat(pid: int) -> list[str] | None:
    """Fields 3 and on; the command name before them may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
