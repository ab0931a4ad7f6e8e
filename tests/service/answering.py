"""A server reduced to its capture: run as a program, it answers as fast as it is told to until it is told to stop.

``python answering.py FOLDER NAME THREADS BUFFER_MB PAUSE``: each thread offers exchanges ``NAME-thread-number`` and
writes every id that it answered to ``FOLDER/answered``. On the standard output go JSON lines: first what was lost, then
the troubles whenever they change, at the end how long the longest offer took. It ends when its standard input does.
"""

import json
import os
import sys
import time
from pathlib import Path
from threading import Event, Thread

from loopline.adapters.ring.queue import RingQueue
from loopline.adapters.spool.counters import FileCounters
from loopline.apps.recorder.child import RecorderChild
from loopline.apps.recorder.words import COUNTERS, OWN_COUNTERS, RING
from loopline.capture.stage import Capture
from loopline.records.settings import CaptureSettings
from loopline.testing.exchanges import exchange
from loopline.testing.factories import settings


def answer(capture: Capture, *, name: str, file: int, pause: float, stop: Event, slowest: list[float]) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        whole = exchange(f"{name}-{number}", "x" * 200)
        started = time.perf_counter()
        capture.offer(whole)
        slowest[0] = max(slowest[0], time.perf_counter() - started)
        os.write(file, f"{whole.request}\n".encode())
        if pause:
            time.sleep(pause)


def main(folder: str, name: str, threads: str, buffer_mb: str, pause: str) -> None:
    root, stop, slowest = Path(folder), Event(), [0.0]
    root.mkdir(exist_ok=True)
    (root / "secret").write_text("the word")
    made = settings(capture=CaptureSettings(buffer_mb=int(buffer_mb)))
    child = RecorderChild(made, root)
    queue = RingQueue(root / RING, size=made.capture.buffer_mb << 20)
    counters = FileCounters(root / COUNTERS, beside=(root / OWN_COUNTERS,))
    capture = Capture(queue, counters=counters)
    tell(lost=child.lost)
    file = os.open(root / "answered", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    parts = {"file": file, "pause": float(pause), "stop": stop, "slowest": slowest}
    working = [
        Thread(target=answer, args=(capture,), kwargs={"name": f"{name}-{i}", **parts}) for i in range(int(threads))
    ]
    for thread in working:
        thread.start()
    Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    told: tuple[str, ...] = ()
    while not stop.wait(0.02):
        if (now := child.troubles()) != told:
            told = now
            tell(troubles=told)
    for thread in working:
        thread.join()
    capture.close()
    child.close()
    tell(troubles=child.troubles(), slowest=slowest[0])
    queue.close()
    counters.close()


def tell(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
