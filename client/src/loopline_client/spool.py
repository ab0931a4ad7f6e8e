"""Lines on the disk: they outlive the process, and the next one on the same folder sends them.

A process writes segments of its own, ``<owner>-<number>.lines``, while it holds a lock on ``<owner>.lock``. The system
lets go of the lock when the process ends in whatever way; who finds it free adopts the segments. A line that was sent
just before the process ended is sent again, and the server knows it by its id.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import NamedTuple, Sequence

from loopline_client.lines import new_id
from loopline_client.waiting import Line

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

SEGMENT_BYTES = 1 << 20
"""Size at which a new segment is begun: what a crash causes to be sent again at most."""
PATHS = {b"P": "/v1/predictions", b"O": "/v1/outcomes"}
MARKS = {path: mark for mark, path in PATHS.items()}


class Segment(NamedTuple):
    """One file, read."""

    path: Path
    lines: list[Line]
    torn: int
    """Lines that are not whole: the process ended, or the disk was full, while they were written."""


class Spool:
    """A folder of segments, at most ``size`` bytes of all processes together. Safe between two threads.

    Raises OSError when the folder cannot be used.
    """

    def __init__(self, folder: Path, *, size: int) -> None:
        if fcntl is None:
            raise OSError("no file locks on this system, hence no spool")
        self._folder, self._size = folder, size
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._owned: dict[str, int] = {}
        """Owners whose segments are ours -> the descriptor that holds their lock."""
        self._owner = self._begin()
        self._number, self._file, self._written = 0, -1, 0

    def append(self, lines: Sequence[Line]) -> int:
        """How many of the lines, from the first, found room; these outlive the process. Raises OSError."""
        with self._lock:
            room = self._size - sum(map(_size_of, self._segments("")))
            kept: list[bytes] = []
            for line in lines:
                text = MARKS[line.path] + line.content + b"\n"
                room -= len(text)
                if room < 0:
                    break
                kept.append(text)
            if kept:
                self._write(b"".join(kept))
            return len(kept)

    def oldest(self) -> Segment | None:
        """The oldest segment that is ours to send, no longer written to; None when there is none. Raises OSError."""
        with self._lock:
            paths = [path for owner in sorted(self._owned) for path in self._segments(owner + "-")]
            if not paths:
                return None
            if paths[0] == self._path(self._number):
                self._end()
        texts = paths[0].read_bytes().split(b"\n")
        whole = [Line(PATHS[text[:1]], text[1:]) for text in texts[:-1] if text[:1] in PATHS and len(text) > 1]
        return Segment(paths[0], whole, torn=len(texts) - 1 - len(whole) + bool(texts[-1]))

    def remove(self, segment: Segment) -> None:
        """Forget a segment: each of its lines is settled. Raises OSError."""
        segment.path.unlink()

    def adopt(self) -> int:
        """Take over what ended processes left, and return how many lines that is. Raises OSError."""
        found = 0
        with self._lock:
            for owner in sorted(path.stem for path in self._folder.glob("*.lock")):
                held = -1 if owner in self._owned else self._locked(owner)
                if held < 0:
                    continue
                paths = self._segments(owner + "-")
                if paths:
                    self._owned[owner] = held
                    found += sum(_lines_in(path) for path in paths)
                else:
                    self._let_go(owner, held)
        return found

    def close(self) -> None:
        """Let go of the folder; what is left in it is the next process's."""
        with self._lock:
            self._end()
            for owner, held in self._owned.items():
                if not self._segments(owner + "-"):
                    self._let_go(owner, held)
                else:
                    os.close(held)
            self._owned = {}

    def abandon(self) -> None:
        """In a forked child: close what was inherited. The lock stays with the parent, who has it open too."""
        for descriptor in (self._file, *self._owned.values()):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _begin(self) -> str:
        while True:
            owner = new_id()
            self._lock_path(owner).touch(mode=0o600, exist_ok=False)
            held = self._locked(owner)
            if held >= 0:
                self._owned[owner] = held
                return owner

    def _locked(self, owner: str) -> int:
        """A descriptor that holds the owner's lock; -1 when another has it, or the file is gone."""
        path = self._lock_path(owner)
        try:
            held = os.open(path, os.O_RDWR)
        except OSError:
            return -1
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one who held it may have deleted the file in the meantime: then this lock is on nothing.
            if os.path.samestat(os.fstat(held), path.stat()):
                return held
        except OSError:
            pass
        os.close(held)
        return -1

    def _let_go(self, owner: str, held: int) -> None:
        with contextlib.suppress(OSError):
            self._lock_path(owner).unlink()
        os.close(held)

    def _write(self, content: bytes) -> None:
        if self._file < 0:
            self._number += 1
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._file, self._written = os.open(self._path(self._number), flags, 0o600), 0
        written = os.write(self._file, content)
        if written < len(content):  # the lines are still in memory: none of them may stand here too
            os.ftruncate(self._file, self._written)
            raise OSError(f"the disk took {written} of {len(content)} bytes")
        self._written += written
        if self._written >= SEGMENT_BYTES:
            self._end()

    def _end(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _segments(self, prefix: str) -> list[Path]:
        return sorted(self._folder.glob(prefix + "*.lines"))

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._owner}-{number:08d}.lines"

    def _lock_path(self, owner: str) -> Path:
        return self._folder / f"{owner}.lock"


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # sent and removed by another process just now
        return 0


def _lines_in(path: Path) -> int:
    texts = path.read_bytes().split(b"\n")
    return len(texts) - 1 + bool(texts[-1])
