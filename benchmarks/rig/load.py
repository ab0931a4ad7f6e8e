"""The load: ``wrk`` on keep-alive connections, with bodies that take turns, and what it saw."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rig.processes import LOADS

CONNECTIONS = 32
MISSING = "wrk is not installed: apt-get install wrk"
SCRIPT = """
local bodies = {{
{bodies}
}}
local headers = {{ {headers} }}
local requests, turn = {{}}, 0
function init(args)
  for i = 1, #bodies do requests[i] = wrk.format("POST", "{path}", headers, bodies[i]) end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{{"answers": %d, "micros": %d, "bad": %d, "broken": %d, "p50": %.1f, "p99": %.1f, "max": %.1f}}\\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


class Load(NamedTuple):
    """What one run saw."""

    answers: int
    seconds: float
    bad: int
    """Answers with a status above 399."""
    broken: int
    """Connections refused or lost, and requests that got no answer in time."""
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def rps(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def asserted(self) -> "Load":
        """Itself; raises AssertionError unless every request got a good answer."""
        is_whole = self.answers > 0 and self.bad == 0 and self.broken == 0
        assert is_whole, f"not every request got a good answer: {self}"
        return self


def is_installed() -> bool:
    """Whether there is a ``wrk``."""
    return shutil.which("wrk") is not None


def script(path: str, *, bodies: Sequence[str], headers: Mapping[str, str]) -> str:
    """A Lua script that posts these bodies in turn.

    In long brackets of level 2, since nested JSON lists end those of level 0 early.
    """
    assert not any("]==]" in body for body in bodies)
    fields = {"Content-Type": "application/json", **headers}
    return SCRIPT.format(
        path=path,
        bodies=",\n".join(f"[==[{body}]==]" for body in bodies),
        headers=", ".join(f'["{name}"] = [==[{value}]==]' for name, value in fields.items()),
    )


def loaded(port: int, lua: str, *, seconds: float, connections: int = CONNECTIONS) -> Load:
    """What ``wrk`` saw in so many seconds, rounded up to whole ones, on one thread."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(lua)
        file.flush()
        order = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        order += ["-s", str(Path(file.name)), f"http://127.0.0.1:{port}"]
        wrk = subprocess.Popen(order, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        LOADS.add(wrk)
        try:
            printed, _ = wrk.communicate()
        finally:
            wrk.kill()
            LOADS.discard(wrk)
    assert wrk.returncode == 0, f"wrk ended with {wrk.returncode}: {printed}"
    told = json.loads(next(line for line in reversed(printed.splitlines()) if line.startswith('{"answers"')))
    return Load(
        answers=told["answers"],
        seconds=told["micros"] / 1e6,
        bad=told["bad"],
        broken=told["broken"],
        p50_ms=told["p50"] / 1e3,
        p99_ms=told["p99"] / 1e3,
        max_ms=told["max"] / 1e3,
    )
