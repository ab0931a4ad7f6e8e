"""What a piece of work costs in this process: seconds, CPU seconds, and memory beside its arguments."""

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

STATUS = Path("/proc/self/status")
MB = 1024 * 1024


class Cost(NamedTuple):
    """Of one run of some work: medians of several."""

    seconds: float
    cpu_seconds: float
    extra_mb: float
    """The larger of what numpy and Python say that they took at a time, and what the process grew by."""

    def shown(self, *, floor: "Cost | None" = None) -> dict[str, float]:
        """For the report; with a floor, how many times its seconds and its CPU seconds this took."""
        told = {name: rounded(value) for name, value in self._asdict().items()}
        if floor:
            told["floor_seconds"] = rounded(floor.seconds)
            told["over_floor"] = rounded(self.seconds / floor.seconds)
            told["cpu_over_floor"] = rounded(self.cpu_seconds / floor.cpu_seconds)
        return told


def rounded(value: float) -> float:
    """Three significant digits, as a number.

    >>> rounded(0.012345), rounded(1234.5)
    (0.0123, 1230.0)
    """
    return float(f"{value:.3g}")


def cost(work: Callable[[], object], *, repetitions: int, weigh: bool = True) -> Cost:
    """The cost of ``work``: one run to warm up, in which memory is weighed, then the runs that are timed."""
    extra = max(_traced(work), _grown(work)) if weigh else 0.0
    seconds, cpu = [], []
    for _ in range(repetitions):
        began, burnt = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - burnt)
    return Cost(statistics.median(seconds), statistics.median(cpu), extra)


def _traced(work: Callable[[], object]) -> float:
    """The most that Python and numpy held at a time, in MB."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()


def _grown(work: Callable[[], object]) -> float:
    """How far the resident memory of the process rose above where it was, in MB; libraries' own memory included."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    before = _resident("VmRSS")
    work()
    return max(0.0, _resident("VmHWM") - before)


def _resident(name: str) -> float:
    line = next(line for line in STATUS.read_text(encoding="ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024
