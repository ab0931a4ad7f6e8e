"""The queue in a ring: frames one behind the other, each with its length, a checksum and its place."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from zlib import crc32

from loopline.adapters.ring.file import HEAD, HEADER, SIZE, TAIL, WORD, RingFile

FRAME = 2 * WORD
"""Bytes around a payload: before it 32 bits of length and 32 of checksum, after it, padded to a word, its place."""
LOW = (1 << 32) - 1
BARRIER_SECONDS = 0.001
"""After so long a processor that orders stores loosely has shown all that was stored before the tail."""


class Frame(NamedTuple):
    """A frame where it lies."""

    end: int
    """The position behind it."""
    content: bytes


class RingQueue:
    """A ``FrameQueue`` of ``size`` bytes in one file: any threads of the process that made it put, one reader takes.

    A put is a copy into shared memory and one store that makes it visible: no system call, and kill -9 at any instant
    leaves the frame whole or absent. The place before the head is never written over, so that head and tail alone tell
    how many frames went through. A power cut may leave old bytes in a frame: its checksum, which covers its place,
    gives it away. Where not even lengths and places fit, all frames from there to the tail are damaged, and counted by
    the place at the tail.

    A file of another size is resized when nothing waits in it, else it stays as it is. Raises Conflict when another
    process puts into it, Unavailable when the disk has no room for it.
    """

    def __init__(self, path: Path, *, size: int) -> None:
        self._file = RingFile(path, size=_whole(size))
        try:
            self._file.hold()
            self._lock = Lock()
            self._look_through()
            words = self._file.words
            if words[HEAD] == words[TAIL] and self._file.size != _whole(size):
                self._file.resize(_whole(size))
        except BaseException:
            self._file.close()
            raise
        self._size, self._words, self._memory = self._file.size, self._file.words, self._file.memory
        self._tail = self._file.words[TAIL]
        self._last = self._file.place(self._tail)
        self._limit, self._is_open = 0, True
        self._ends: list[int] = []
        """Behind each of the frames that were looked at last."""

    def __len__(self) -> int:
        with self._lock:
            return self._file.place(self._end()) - self._file.place(self._file.words[HEAD])

    @property
    def size(self) -> int:
        """Bytes that the ring has for frames."""
        return self._file.size

    @property
    def used(self) -> int:
        """Bytes that are taken by frames that wait."""
        with self._lock:
            return int(self._file.words[TAIL] - self._file.words[HEAD])

    def put(self, frame: bytes) -> int:
        """The place of the frame, counted from 1; 0 without room, and once closed. Never waits."""
        length = len(frame)
        with self._lock:
            tail, words = self._tail, self._words
            end = tail + ((length + FRAME + WORD - 1) & -WORD)
            if end > self._limit and end > self._limited():
                return 0
            self._last = place = self._last + 1
            start = tail % self._size
            stop = start + end - tail
            if stop <= self._size:  # as ``_frame`` and ``RingFile.write`` do, which cost a microsecond more
                start += HEADER + WORD
                self._memory[start : start + length] = frame
                words[(start - WORD) >> 3] = crc32(frame, place & LOW) << 32 | length
                words[(stop + HEADER - WORD) >> 3] = place
            else:
                self._file.write(tail + WORD, frame)
                self._frame(tail, length=length, place=place, checksum=crc32(frame, place & LOW))
            words[TAIL] = self._tail = end
            return place

    def head(self, frames: int) -> Sequence[bytes]:
        """The oldest frames, at most so many; ``b""`` stands for one that is damaged."""
        found = list(islice(self._waiting(), frames))
        self._ends = [frame.end for frame in found]
        return [frame.content for frame in found]

    def remove(self, frames: int) -> None:
        """Forget the oldest ``frames``."""
        if frames > len(self._ends):
            self._ends = [frame.end for frame in self._waiting()]
        if frames:
            self._file.words[HEAD] = self._ends[frames - 1]
            self._ends = self._ends[frames:]

    def removed(self) -> int:
        """How many frames were ever removed."""
        with self._lock:  # the head may move on while this reads: then a put could write over what is read here
            return self._file.place(self._file.words[HEAD])

    def close(self) -> None:
        """Let go of the file; what waits in it stays."""
        with self._lock:
            self._limit, self._is_open = -1, False
            self._file.close()

    def _limited(self) -> int:
        """The position that the tail may reach."""
        self._limit = int(self._file.words[HEAD]) + self._size - WORD if self._is_open else -1
        return self._limit

    def _end(self) -> int:
        """The tail; the file is mapped as it was when the frame before it was put."""
        tail = self._file.words[TAIL]
        if self._file.words[SIZE] != self._file.size:
            self._file.follow()
        return int(tail)

    def _look_through(self) -> None:
        """Mend what a power cut damaged, so that the place at the tail is true."""
        for _ in self._waiting():
            pass

    def _waiting(self) -> Iterator[Frame]:
        """The frames that wait, oldest first; damaged ones are mended so far that they can be told apart."""
        tail, is_patient = self._end(), True
        position = int(self._file.words[HEAD])
        place = self._file.place(position)
        while position < tail:
            place += 1
            frame = self._at(position, tail=tail, place=place)
            if is_patient and not (frame and frame.content):
                is_patient = False
                time.sleep(BARRIER_SECONDS)
                frame = self._at(position, tail=tail, place=place)
            if frame is None:
                self._mend(position, tail=tail, place=place)
                frame = (
                    Frame(position + FRAME, b"") if self._file.place(position + FRAME) == place else Frame(tail, b"")
                )
            yield frame
            position = frame.end

    def _at(self, position: int, *, tail: int, place: int) -> Frame | None:
        """The frame at this position; None when its length and its place do not fit."""
        header = self._file.words[self._file.index(position)]
        length = header & LOW
        end = position + ((length + FRAME + WORD - 1) & -WORD)
        if end > tail or self._file.place(end) != place:
            return None
        content = self._file.read(position + WORD, length=length)
        return Frame(end, content if crc32(content, place & LOW) == header >> 32 else b"")

    def _mend(self, position: int, *, tail: int, place: int) -> None:
        """Lay damaged frames from here to the tail, as many as the place at the tail tells, or else one."""
        frames = self._file.place(tail) - place + 1
        if not 1 <= frames <= (tail - position) // FRAME:
            frames = 1
        for number in range(frames):
            is_last = number == frames - 1
            length = tail - position - FRAME if is_last else 0
            content = self._file.read(position + WORD, length=length)
            wrong = crc32(content, (place + number) & LOW) ^ 1
            self._frame(position, length=length, place=place + number, checksum=wrong)
            position += length + FRAME

    def _frame(self, position: int, *, length: int, place: int, checksum: int) -> None:
        """Write what surrounds a payload."""
        end = position + ((length + FRAME + WORD - 1) & -WORD)
        self._file.words[self._file.index(position)] = checksum << 32 | length
        self._file.words[self._file.index(end - WORD)] = place


class RingReader(RingQueue):
    """The same queue for a process that takes while another puts. ``size``: of a file that is not made yet."""

    def __init__(self, path: Path, *, size: int) -> None:
        self._file, self._lock = RingFile(path, size=_whole(size)), Lock()
        self._tail, self._words, self._limit, self._is_open, self._ends = 0, self._file.words, -1, False, []
        self._look_through()


def _whole(size: int) -> int:
    """A multiple of the word, with room for a frame."""
    return max(size // WORD, 8) * WORD
