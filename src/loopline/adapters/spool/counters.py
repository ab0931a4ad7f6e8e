"""Totals in one memory-mapped page: the kernel keeps it when the process dies."""

import mmap
import os
from pathlib import Path
from struct import Struct
from threading import Lock

from loopline.errors import InvalidRecord, NotFound
from loopline.ports.counters import NAMES

MAGIC = b"LOOPCNT1"
PAGE = 4_096
TOTAL = Struct("<q")


class FileCounters:
    """The named totals of ``Counters`` in a file of 4,096 bytes.

    After 8 bytes that name the format, total ``i`` of ``NAMES`` is the signed little-endian number at byte 8 + 8i.
    An add is one aligned 8-byte store into shared memory: kill -9 cannot tear it, and the page outlives the process.
    Any process may read while one process adds.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # A crash between these two steps leaves an empty page, which the next start completes.
            if os.fstat(file).st_size == 0:
                os.ftruncate(file, PAGE)
            if os.pread(file, len(MAGIC), 0) == bytes(len(MAGIC)):
                os.pwrite(file, MAGIC, 0)
            found = os.pread(file, PAGE, 0)
            if len(found) < PAGE or not found.startswith(MAGIC):
                shown = f"{len(found)} bytes that begin with {found[:8]!r}"
                remedy = "move it away; the totals are rebuilt from the log"
                raise InvalidRecord(f"counters {path}", found=shown, expected="a page of totals", remedy=remedy)
            self._page = mmap.mmap(file, PAGE)
        finally:
            os.close(file)
        self._lock = Lock()
        self._offsets = {name: len(MAGIC) + TOTAL.size * i for i, name in enumerate(NAMES)}

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a total. Raises NotFound for a name that no total has."""
        offset = self._offsets.get(name)
        if offset is None:
            raise NotFound("counter", name, known=NAMES)
        with self._lock:
            TOTAL.pack_into(self._page, offset, TOTAL.unpack_from(self._page, offset)[0] + amount)

    def read(self) -> dict[str, int]:
        """All totals at one moment."""
        with self._lock:
            return {name: TOTAL.unpack_from(self._page, offset)[0] for name, offset in self._offsets.items()}

    def close(self) -> None:
        """Write the page to the disk and let go of it."""
        self._page.flush()
        self._page.close()
