"""What the recorder works with, put together: only what it needs, for its process stays small."""

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.objectstore.address import is_remote
from loopline.adapters.ring.queue import RingReader
from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.keeping import Keeper
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.manifest import SqlManifest
from loopline.adapters.system.clock import SystemClock
from loopline.apps.recorder.words import COUNTERS, OWN_COUNTERS, RING, Orders
from loopline.capture.completing import Rules
from loopline.ports.object_store import ObjectStore
from loopline.records.settings import Settings
from loopline.serve.grouping import group_of
from loopline.serve.informativeness import entropy, margin


class Desk(NamedTuple):
    """The recorder's ports."""

    queue: RingReader
    log: SpoolLog
    objects: ObjectStore
    counters: FileCounters
    rules: Rules
    keeper: Keeper

    def close(self) -> None:
        """Let go of the files."""
        self.log.close()
        self.counters.close()
        self.queue.close()


def recording_rules(settings: Settings, *, secret: bytes) -> Rules:
    """How exchanges become predictions: the measures and groups are those of serving."""
    return Rules(
        settings, secret, lambda row, content: group_of(row, content=content), lambda p: (margin(p), entropy(p))
    )


def open_desk(root: Path, *, orders: Orders) -> Desk:
    """The recorder's ports over the folder ``root``. Raises what its parts raise when they cannot be used."""
    settings = orders.settings
    secret = Path(orders.secret).read_text().strip().encode()
    objects = open_objects(settings, root=root, secret=secret)
    manifest = SqlManifest(open_database(state_url(settings, root=root)))
    log = SpoolLog(root / "log" / "spool.db", loop=settings.name, manifest=manifest, objects=objects)
    return Desk(
        queue=RingReader(root / RING, size=settings.capture.buffer_mb << 20),
        log=log,
        objects=objects,
        counters=FileCounters(root / OWN_COUNTERS, beside=(root / COUNTERS,)),
        rules=recording_rules(settings, secret=secret),
        keeper=Keeper(log, manifest=manifest, objects=objects, settings=settings.capture, clock=SystemClock()),
    )


def place_of_state(settings: Settings) -> str:
    """Where the state is kept as ``DATABASE_URL`` says, or ``loop.toml``; empty: in the loop's folder."""
    return os.environ.get("DATABASE_URL") or settings.storage.state


def place_of_objects(settings: Settings) -> str:
    """Where objects are kept as ``OBJECT_STORE`` says, or ``loop.toml``; empty: in the loop's folder."""
    return os.environ.get("OBJECT_STORE") or settings.storage.objects


def state_url(settings: Settings, *, root: Path) -> str:
    """The database of the state: the place that was named, or a SQLite file in the folder."""
    return place_of_state(settings) or f"sqlite:///{root / 'state.db'}"


def open_objects(settings: Settings, *, root: Path, secret: bytes) -> ObjectStore:
    """The store that was named, or a folder. Raises InvalidRecord for no such URL."""
    url = place_of_objects(settings)
    if is_remote(url):
        from loopline.adapters.objectstore.store import ObstoreObjects

        return ObstoreObjects(url, cache=root / "cache")
    return FileObjects(Path(unquote(urlsplit(url).path)) if url else root / "objects", secret=secret)
