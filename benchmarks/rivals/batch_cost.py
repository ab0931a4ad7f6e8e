"""What one batch costs a rival, in the words of the report; for the scripts beside it, in any of their environments."""

import json
import statistics
import time
from pathlib import Path


def tell(choose, *, batch, repetitions):
    """Prints one JSON object: median seconds and CPU seconds of ``choose``, and what the process grew by, in MB.

    ``choose`` gives the batch; it must hold ``batch`` different rows.
    """
    seconds, cpu = [], []
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    before = resident("VmRSS")
    for _ in range(repetitions):
        began, burnt = time.perf_counter(), time.process_time()
        chosen = choose()
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - burnt)
    assert len({int(row) for row in chosen}) == batch
    told = {"seconds": statistics.median(seconds), "cpu_seconds": statistics.median(cpu)}
    print(json.dumps(told | {"extra_mb": max(0.0, resident("VmHWM") - before)}))


def resident(name):
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024
