"""A server as the family of its processes: started, waited for, weighed, stopped. Reads ``/proc``: Linux only."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 120.0
SETTLED_CPU = 0.04
"""Seconds of processor time in half a second below which a family is at rest: servers that wait still wake up."""


class Family:
    """A process, its session, all that descend from them, and whoever names its folder: nobody's work is left out."""

    def __init__(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], port: int) -> None:
        self.folder, self.port = folder, port
        with (folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
            )
        self._ended: dict[int, float] = {}

    def members(self) -> dict[int, str]:
        """Process ids of the living, each with its command."""
        parents, commands, found = {}, {}, set()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[0] == "Z":
                continue
            pid = int(entry.name)
            parents[pid], commands[pid] = int(stat[1]), command
            # A server that has died leaves its session behind, though its workers have another parent now.
            if int(stat[3]) == self.process.pid or str(self.folder) in command:
                found.add(pid)
        while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
            found |= more
        found.discard(os.getpid())
        return {pid: commands[pid] for pid in sorted(found)}

    def cpu_seconds(self) -> float:
        """User and system time of the whole family so far, those that have ended included."""
        for pid in self.members():
            try:
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            # Of its own threads only: children are in the family, and stay in the sum when they end.
            self._ended[pid] = (int(stat[11]) + int(stat[12])) / TICKS
        return sum(self._ended.values())

    def own_cpu_seconds(self) -> float:
        """The part of ``cpu_seconds``, as it was last read, that the first process took itself."""
        return self._ended.get(self.process.pid, 0.0)

    def anonymous_mb(self) -> float:
        """Memory of the server process that no file backs, in MB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) * 1024 / 1e6

    def wait_for_port(self) -> None:
        """Until it listens. Raises RuntimeError with the end of its log when it leaves, or takes too long."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the server does not listen on port {self.port}:\n{self.log_tail()}")

    def settle(self, *, seconds: float = 20.0) -> float:
        """Wait until it has finished what it put off, at most so long; the seconds that it took."""
        began = time.monotonic()
        last = self.cpu_seconds()
        while time.monotonic() - began < seconds:
            time.sleep(0.5)
            now = self.cpu_seconds()
            if now - last < SETTLED_CPU:
                break
            last = now
        return time.monotonic() - began

    def signal(self, number: int, *, naming: str = "") -> list[int]:
        """Send it to every member whose command holds ``naming``; their process ids."""
        found = [pid for pid, command in self.members().items() if naming in command]
        for pid in found:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        return found

    def stop(self, *, seconds: float = 15.0) -> None:
        """Ask it to end, then end it."""
        self.signal(signal.SIGCONT)  # whoever was held could not end
        if self.process.poll() is None:
            self.process.terminate()
        deadline = time.monotonic() + seconds
        while self.members() and time.monotonic() < deadline:
            self.process.poll()
            time.sleep(0.05)
        self.signal(signal.SIGKILL)
        self.process.wait()

    def log_tail(self) -> str:
        """The last lines that it printed."""
        return "\n".join((self.folder / "server.log").read_text(errors="replace").splitlines()[-15:])


LOADS: set[subprocess.Popen[str]] = set()
"""Programs that ask servers now, from any thread."""


def end_in_order() -> None:
    """Make SIGTERM and SIGINT end this program by way of every ``finally``, once: what it started is stopped."""

    def end(number: int, _: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        for load in tuple(LOADS):
            load.kill()
        raise SystemExit(128 + number)

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, end)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
