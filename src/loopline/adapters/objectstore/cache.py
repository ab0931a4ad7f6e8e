"""Local copies of objects, for programs that need a path."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from loopline.errors import Unavailable
from loopline.records.ids import Digest

KEEP_SECONDS = 600.0
"""A copy handed out within these is never pushed out: its reader may not have opened it yet."""
SETTLED_SECONDS = 2.0
"""A file written so lately may be written again without a new time stamp: clocks of file systems are coarse."""


class LocalCopies:
    """Keeps copies up to ``size`` bytes in a folder, which processes may share; the longest unused goes first.

    It takes more when more is asked for within ten minutes: a path that was just given stays good. The access time of
    a file says when it was last handed out, its modification time when it was written.
    """

    def __init__(self, folder: Path, *, size: int) -> None:
        self._folder, self._incoming, self._size = folder, folder / "incoming", size
        self._verified: dict[Digest, tuple[int, int, int]] = {}

    def find(self, digest: Digest) -> Path | None:
        """The copy, if there is a whole one. A file is hashed when found first, and again when it was written since."""
        place = self._place(digest)
        try:
            with self._locked():
                known = place.stat()
                os.utime(place, ns=(time.time_ns(), known.st_mtime_ns))
            seen = (known.st_ino, known.st_size, known.st_mtime_ns)
            if self._verified.get(digest) == seen:
                return place
            if blake3().update_mmap(place).hexdigest() != digest:
                place.unlink()
                return None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unwritable(error) from error
        if time.time() - known.st_mtime > SETTLED_SECONDS:
            self._verified[digest] = seen
        return place

    def fill(self, digest: Digest, chunks: Iterable[bytes]) -> Path:
        """Keep these bytes. Raises Unavailable when they do not match the digest; what chunks raise goes through."""
        place = self._place(digest)
        try:
            for folder in (self._incoming, place.parent):
                folder.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=self._incoming)
            try:
                with os.fdopen(handle, "wb") as file:
                    check(digest, found=_write(chunks, file=file))
                Path(aside).replace(place)
            finally:
                Path(aside).unlink(missing_ok=True)
            self._push_out()
        except OSError as error:
            raise self._unwritable(error) from error
        return place

    def drop(self, digest: Digest) -> None:
        """Keep no copy."""
        self._verified.pop(digest, None)
        try:
            self._place(digest).unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _place(self, digest: Digest) -> Path:
        return self._folder / digest[:2] / digest

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody hands a copy out while another process pushes it out."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _push_out(self) -> None:
        """Remove the longest unused while there are too many, and what a dead process left half-written."""
        with self._locked():
            found = list(_files(self._folder))
            total = sum(stat.st_size for stat, _ in found)
            for stat, path in sorted(found, key=lambda each: (each[0].st_atime_ns, each[1])):
                is_half = path.parent == self._incoming
                used = stat.st_mtime if is_half else stat.st_atime
                if abs(time.time() - used) > KEEP_SECONDS and (is_half or total > self._size):
                    self._verified.pop(Digest(path.name), None)
                    path.unlink(missing_ok=True)
                    total -= stat.st_size

    def _unwritable(self, error: OSError) -> Unavailable:
        reason = f"cannot keep local copies under {self._folder}: {error.strerror}"
        return Unavailable("object store", reason=reason, remedy="check its space and its rights")


def _files(folder: Path) -> Iterator[tuple[os.stat_result, Path]]:
    """The files in its folders; one that another process takes away meanwhile is none."""
    for path in folder.glob("*/*"):
        with suppress(FileNotFoundError):
            yield path.stat(), path


def _write(chunks: Iterable[bytes], *, file: BinaryIO) -> str:
    """The digest of what was written."""
    hashed = blake3()
    for chunk in chunks:
        hashed.update(chunk)
        file.write(chunk)
    return hashed.hexdigest()


def check(digest: Digest, *, found: str) -> None:
    """Raise Unavailable unless what was found has the digest that it is called by."""
    if found != digest:
        reason = "what is stored no longer matches its digest"
        raise Unavailable(f"object {digest}", reason=reason, remedy="restore it from a copy")
