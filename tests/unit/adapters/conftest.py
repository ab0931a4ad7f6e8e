"""Logs in a test's folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.memory.manifest import MemoryManifest
from loopline.adapters.spool.log import SpoolLog
from loopline.records.segment import Segment
from loopline.testing.factories import LOOP


class Rooms:
    """One installation: a manifest, a store of files, and the logs that were opened over them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifest, self.objects = folder, MemoryManifest(), FileObjects(folder / "objects")
        self.opened: list[SpoolLog] = []

    def open(self, lane: str = "main", *, is_alone: bool = True) -> SpoolLog:
        """The log of a lane, as another process would open it."""
        path = self.folder / f"{lane}.db"
        parts = {"manifest": self.manifest, "objects": self.objects}
        self.opened.append(SpoolLog(path, loop=LOOP, lane=lane, is_alone=is_alone, **parts))
        return self.opened[-1]

    def segments(self) -> tuple[Segment, ...]:
        return self.manifest.segments(LOOP)

    def file(self, segment: Segment) -> Path:
        return self.folder / "objects" / segment.digest[:2] / segment.digest


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    found = Rooms(tmp_path)
    yield found
    for log in found.opened:
        log.close()
