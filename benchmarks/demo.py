"""What the demo takes: seconds for its three turns, and the most memory that all its processes hold at once.

Memory is the sum of the proportional shares (Pss) of the demo and of every process that serves it, read from ``/proc``
twice a second. Linux only. The last line is one JSON object.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EVERY_SECONDS = 0.5


def family(folder: str) -> set[int]:
    """Every process whose command names the folder, and all that these started: a training run leaves its parent."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, stat = (process / "cmdline").read_bytes(), (process / "stat").read_text()
        except OSError:
            continue
        pid = int(process.name)
        parents[pid] = int(stat.rpartition(")")[2].split()[1])
        if folder.encode() in command:
            found.add(pid)
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return found


def share_kib(pid: int) -> int:
    """The process's proportional share of memory; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def measured(*, is_offline: bool) -> dict[str, object]:
    """One run of the demo in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        order = [sys.executable, "-m", "loopline", "demo", "--once", "--json", str(result), "--dir", f"{folder}/demo"]
        demo = subprocess.Popen([*order, "--port", "8690", *(["--offline"] if is_offline else [])])
        peak = 0
        while demo.poll() is None:
            peak = max(peak, sum(map(share_kib, family(folder))))
            time.sleep(EVERY_SECONDS)
        if demo.returncode:
            raise SystemExit(demo.returncode)
        told = json.loads(result.read_text())
    kept = {name: told[name] for name in ("dataset", "seconds", "predictions_answered", "records_stored", "drops")}
    return {"benchmark": "demo", **kept, "peak_mb": round(peak * 1024 / 1e6)}


if __name__ == "__main__":
    print(json.dumps(measured(is_offline="--offline" in sys.argv[1:])))
