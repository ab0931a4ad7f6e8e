"""Totals in memory-mapped pages, one a process that adds: the kernel keeps a page when its process dies."""

import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from loopline.errors import InvalidRecord, NotFound
from loopline.ports.counters import NAMES

MAGIC = b"LOOPCNT1"
PAGE = 4_096
PLACES = {name: i + 1 for i, name in enumerate(NAMES)}
"""The word of each total; word 0 names the format."""
SETTLED = 255
JOURNAL = 256
"""Word 256 is 1 while a settlement is under way; what its words are to become follows, in the order of the page."""


class FileCounters:
    """The named totals of ``Counters``: adds to its own page, reads the sum over it and the pages ``beside`` it.

    A page is 512 signed numbers of 8 bytes in the machine's byte order: the format, total ``i`` of ``NAMES`` at byte
    8 + 8i, and what settlements need. An add is one aligned 8-byte store into shared memory: kill -9 cannot tear it. A
    settlement is written aside first and marked; one that was cut short after the mark is completed by the next start.
    Any process may read a page that one process adds to.
    """

    def __init__(self, path: Path, *, beside: Sequence[Path] = ()) -> None:
        self._maps = [_mapped(each) for each in (path, *beside)]
        self._pages = [memoryview(each).cast("q") for each in self._maps]
        self._page = self._pages[0]
        self._lock = Lock()
        self._complete()

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a total. Raises NotFound for a name that no total has."""
        page, place = self._page, PLACES.get(name) or _place(name)
        with self._lock:
            page[place] += amount

    def settle(self, amounts: Mapping[str, int], *, through: int) -> None:
        """Add to several totals and remember what they account for: all of it or nothing."""
        changes = {_place(name): amount for name, amount in amounts.items()}
        page = self._page
        with self._lock:
            for place in PLACES.values():
                page[JOURNAL + place] = page[place] + changes.get(place, 0)
            page[JOURNAL + SETTLED] = through
            page[JOURNAL] = 1
            self._complete()

    def settled(self) -> int:
        """The ``through`` of the last settlement; 0 before the first."""
        return self._page[SETTLED]

    def read(self) -> dict[str, int]:
        """All totals; those of the own page at one moment."""
        with self._lock:
            return {name: sum(page[place] for page in self._pages) for name, place in PLACES.items()}

    def close(self) -> None:
        """Write the own page to the disk and let go of all."""
        self._maps[0].flush()
        for page, mapped in zip(self._pages, self._maps, strict=True):
            page.release()
            mapped.close()

    def _complete(self) -> None:
        """Take over what a settlement wrote aside, if one is marked; twice is the same as once."""
        page = self._page
        if page[JOURNAL] == 1:
            for place in (*PLACES.values(), SETTLED):
                page[place] = page[JOURNAL + place]
            page[JOURNAL] = 0


def _place(name: str) -> int:
    if (place := PLACES.get(name)) is None:
        raise NotFound("counter", name, known=NAMES)
    return place


def _mapped(path: Path) -> mmap.mmap:
    """The page in this file, which is made when it is not there. Raises InvalidRecord for a foreign file."""
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
        return mmap.mmap(file, PAGE)
    finally:
        os.close(file)
