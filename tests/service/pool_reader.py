"""Passes over the pool of a log and a selection from it, by one fleet: run by tests as a program.

``python pool_reader.py ROOT STORE FLEET SHARDS...`` prints a JSON line for each number of shards: hashes of the
sketches as they came, and of what they are together; and the ids that were selected. ``STORE`` is ``folder`` or a URL.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from blake3 import blake3

from loopline.adapters.daft.fleet import DaftFleet
from loopline.adapters.files.objects import FileObjects
from loopline.adapters.objectstore.store import ObstoreObjects
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.manifest import SqlManifest
from loopline.adapters.threads.fleet import ThreadFleet
from loopline.ports.columns import Sift
from loopline.select.sifting import kernel_of, merged
from loopline.select.stage import select
from loopline.select.strategies import strategy_of
from loopline.testing.factories import LOOP, cycle, settings


def fleet_of(name: str) -> ThreadFleet | DaftFleet:
    if name.startswith("threads"):
        return ThreadFleet(int(name.removeprefix("threads-")))
    return DaftFleet("" if name == "daft" else name)


def opened(root: Path, *, store: str, fleet: ThreadFleet | DaftFleet | None = None) -> SpoolLog:
    """The log whose sealed rows lie in this store."""
    objects = FileObjects(root / "objects") if store == "folder" else ObstoreObjects(store, cache=root / "copies")
    manifest = SqlManifest(open_database(f"sqlite:///{root}/state.db"))
    return SpoolLog(root / "spool.db", loop=LOOP, manifest=manifest, objects=objects, fleet=fleet)


def hashed(*arrays: object) -> str:
    return blake3(b"".join(np.asarray(array).astype(str).tobytes() for array in arrays)).hexdigest()


def main(root: Path, store: str, fleet: str, *shards: str) -> None:
    log = opened(root, store=store, fleet=fleet_of(fleet))
    for number in map(int, shards):
        log.surveyor.shards = number
        shutil.rmtree(root / "sketches", ignore_errors=True)  # what another fleet found is no finding of this one
        each, together = [], []
        for name in ("margin.v1", "committee-bald.v1", "random.v1"):
            strategy = strategy_of(name)
            key, kernel = kernel_of(strategy, seed=3)
            sift = Sift(name=key, reads=strategy.reads, model="v1", most=900, kernel=kernel)
            sketches = list(log.survey(sift, after=10, until=log.end()))
            found = merged(sketches, taken=np.empty(0, np.uint64))
            each += [
                hashed(*sketch[:3], sketch.is_current, sketch.urgency, *(list(column) for column in sketch.rows[:10]))
                for sketch in sketches
            ]
            together.append(hashed(found.content, found.best[:200], found.urgency[:200]) + f" of {found.rows}")
        window = cycle(budget=60, after=10, until=log.end())
        chosen = select(
            window, pool=log, taken=frozenset(), model="v1",
            strategy=strategy_of("cluster-margin.v1"), settings=settings(),
        )  # fmt: skip
        ids = [candidate.prediction for candidate in chosen.candidates]
        sys.stdout.write(json.dumps({"shards": number, "each": each, "together": together, "ids": ids}) + "\n")
    log.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
