"""Sends real requests: first the old world, then the new one with its natural repetition, until told to stop.

A process of its own: ``python -m loopline.apps.demo.traffic DIR URL``. Request ids are deterministic, so that sending
one again after a crash changes nothing.
"""

import itertools
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from loopline.apps.demo.door import Door, Ending
from loopline.apps.demo.whole import write_whole
from loopline.apps.demo.world import Sample, World, read_world
from loopline.errors import LooplineError
from loopline.records.signature import Signature

NOVELTY = 1_500
"""Pace at which new samples appear: after n requests the next one is new with probability NOVELTY / (NOVELTY + n)."""
BEFORE_PER_SECOND = 250
AFTER_PER_SECOND = 100
WAVE = 20
"""Requests between two entries in the journal."""
LINES = 4
"""Connections at once."""


class Send(NamedTuple):
    """One request to come."""

    id: str
    sample: Sample


def sends(world: World) -> Iterator[Send]:
    """Every request in order, without end: each sample of the old world once, then the new world.

    In the new world what was often seen comes often again: the Chinese restaurant process of Blackwell and MacQueen
    (1973), which repeats a sample in proportion to how often it came and so gives the heavy tail of real traffic.
    """
    for number, sample in enumerate(itertools.chain(world.before, _repeating(world))):
        yield Send(f"{world.loop}-{number:07d}", sample)


def request_of(signature: Signature, send: Send) -> dict[str, Any]:
    """The request in the Open Inference Protocol's JSON form."""
    row = send.sample.row
    if isinstance(row, str):
        tensor: dict[str, Any] = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [row]}
    else:
        tensor = {"name": "features", "datatype": "FP64", "shape": [1, signature.width], "data": list(row)}
    return {"id": send.id, "inputs": [tensor]}


def sent_so_far(folder: Path) -> int:
    """Requests that the journal knows to be answered: those with a smaller number than this."""
    path = _journal(folder)
    return int(json.loads(path.read_text())["answered"]) if path.is_file() else 0


def run_traffic(folder: Path, *, url: str) -> int:
    """Send until told to stop; the number of requests answered since the very first start."""
    world = read_world(folder / "demo" / "world.json")
    ending = Ending(folder)
    token = ending.wait_for_token(folder)
    doors = SimpleQueue[Door]()
    for _ in range(LINES):
        doors.put(Door(url, token=token))

    def deliver(send: Send) -> bool:
        door = doors.get()
        ask = partial(door.post, f"/v2/models/{world.loop}/infer", request_of(world.signature, send))
        try:
            return ending.insist(ask) is not None
        finally:
            doors.put(door)

    answered = sent_so_far(folder)
    coming = itertools.islice(sends(world), answered, None)
    with ThreadPoolExecutor(LINES) as lines:
        while not ending.is_due():
            began = time.monotonic()
            wave = tuple(itertools.islice(coming, WAVE))
            if not all(lines.map(deliver, wave)):
                break
            answered += len(wave)
            _note(folder, answered)
            pace = BEFORE_PER_SECOND if answered <= len(world.before) else AFTER_PER_SECOND
            time.sleep(max(0.0, len(wave) / pace - (time.monotonic() - began)))
    for _ in range(LINES):
        doors.get().close()
    return answered


def _repeating(world: World) -> Iterator[Sample]:
    rng = np.random.default_rng([world.seed, 1])
    seen: list[int] = []
    fresh = iter(range(len(world.after)))
    while True:
        place = next(fresh, None) if rng.random() < NOVELTY / (NOVELTY + len(seen)) else None
        seen.append(seen[int(rng.integers(len(seen)))] if place is None else place)
        yield world.after[seen[-1]]


def _journal(folder: Path) -> Path:
    return folder / "demo" / "traffic.json"


def _note(folder: Path, answered: int) -> None:
    write_whole(_journal(folder), json.dumps({"answered": answered}).encode())


if __name__ == "__main__":
    try:
        run_traffic(Path(sys.argv[1]), url=sys.argv[2])
    except LooplineError as error:
        sys.exit(f"traffic: {error}")
