"""The file of a ring: allocated whole before it is used, held by one writer, read and written as shared memory."""

import fcntl
import mmap
import os
import time
from pathlib import Path
from struct import Struct
from typing import Final

from loopline.errors import Conflict, InvalidRecord, Unavailable

MAGIC: Final = b"LOOPRNG1"
SIZE, TAIL, HEAD = 1, 8, 16
"""Words of the header page. The writer owns the tail, the reader the head: each has a line of the cache to itself."""
WORDS: Final = Struct("=8sQ48xQ56xQ")
"""The header as bytes: format, size, tail, head."""
HEADER: Final = 4_096
WORD: Final = 8
PATIENCE_SECONDS: Final = 5.0


class RingFile:
    """The mapped file, made when it is not there. ``size``: its bytes for frames, a multiple of 8.

    Head and tail count the bytes that ever went through. Each is one aligned word, so kill -9 cannot tear it. Since the
    file is allocated whole, a disk that fills up later takes no byte of it away.
    """

    size: int
    memory: mmap.mmap
    words: memoryview

    def __init__(self, path: Path, *, size: int) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + PATIENCE_SECONDS
            while not self._is_sound() and not self._made(size):
                if time.monotonic() > until:
                    reason = "another process holds it and does not complete it"
                    raise Unavailable(f"ring {path}", reason=reason, remedy="stop that one first")
                time.sleep(0.01)
            self._map(WORDS.unpack(os.pread(self._file, WORDS.size, 0))[1])
        except BaseException:
            os.close(self._file)
            raise

    def hold(self) -> None:
        """Be the one process that puts, until it closes or dies. Raises Conflict when another is."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            found, remedy = "another process puts frames into it", "stop that one first"
            raise Conflict(f"ring {self._path}", found=found, expected="no other", remedy=remedy) from error

    def resize(self, size: int) -> None:
        """Take another size: for the holder, and only while nothing waits. What the file has on the disk it keeps."""
        head = self.words[HEAD]
        last = self.place(head)
        self._allocate(size)
        self._unmap()
        self._map(size)
        # The last place moves before the size is told: a reader asks for the size after it has seen a new tail.
        self.words[self.index(head - WORD)] = last
        self.words[SIZE] = size

    def follow(self) -> None:
        """Map the size that the header tells now."""
        size = self.words[SIZE]
        self._unmap()
        self._map(size)

    def index(self, position: int) -> int:
        """The number of the word at this position of the stream of frames."""
        return (HEADER + position % self.size) // WORD

    def place(self, position: int) -> int:
        """The place of the frame that ends at this position; 0 before the first."""
        return self.words[self.index(position - WORD)]

    def read(self, position: int, *, length: int) -> bytes:
        """So many bytes from this position on."""
        start = HEADER + position % self.size
        fits = min(length, HEADER + self.size - start)
        return self.memory[start : start + fits] + self.memory[HEADER : HEADER + length - fits]

    def write(self, position: int, content: bytes) -> None:
        """Put these bytes at this position."""
        start = HEADER + position % self.size
        fits = min(len(content), HEADER + self.size - start)
        self.memory[start : start + fits] = content[:fits]
        self.memory[HEADER : HEADER + len(content) - fits] = content[fits:]

    def close(self) -> None:
        """Let go of the file, and of its hold."""
        self._unmap()
        os.close(self._file)

    def _is_sound(self) -> bool:
        """Whether the header can be true; not of an unmade file. Raises InvalidRecord for a foreign file."""
        found = os.pread(self._file, WORDS.size, 0)
        if not (MAGIC + bytes(WORDS.size)).startswith(found[: len(MAGIC)].rstrip(b"\0")):
            remedy = "move it away; it is made anew"
            shown = f"a file that begins with {found[:8]!r}"
            raise InvalidRecord(f"ring {self._path}", found=shown, expected="a ring", remedy=remedy)
        if not found.startswith(MAGIC) or len(found) < WORDS.size:
            return False
        _, size, tail, head = WORDS.unpack(found)
        is_whole = os.fstat(self._file).st_size >= HEADER + size > HEADER
        return is_whole and head <= tail <= head + size - WORD and not (size | tail | head) % WORD

    def _made(self, size: int) -> bool:
        """Whether this process could make the file, empty; a power cut can have left a header that cannot be true."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            if not self._is_sound():
                self._allocate(size)
                os.pwrite(self._file, bytes(WORD), HEADER + size - WORD)
                os.pwrite(self._file, WORDS.pack(MAGIC, size, 0, 0), 0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return True

    def _allocate(self, size: int) -> None:
        try:
            os.posix_fallocate(self._file, 0, HEADER + size)
        except OSError as error:
            reason = f"{error.strerror}, for {size} bytes"
            remedy = "free some space, or make capture.buffer_mb smaller"
            raise Unavailable(f"ring {self._path}", reason=reason, remedy=remedy) from error

    def _map(self, size: int) -> None:
        self.size = size
        self.memory = mmap.mmap(self._file, HEADER + size)
        self._view = memoryview(self.memory)
        self.words = self._view.cast("Q")

    def _unmap(self) -> None:
        self.words.release()
        self._view.release()
        self.memory.close()
