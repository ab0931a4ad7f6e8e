"""A disk with a volatile write cache, in user space: what was not flushed when the power fails may be lost in any part.

Run as a program, ``volatile_disk.py IMAGE FOLDER``: it mounts a FUSE file system at FOLDER that holds one file,
``disk``, with the bytes of IMAGE. A loop device over that file is the disk. Every write is kept apart until a flush
(the file's fsync, which the loop device calls for a flush of the block layer); a flush makes all that came before it
durable. It speaks the kernel's FUSE protocol itself (``linux/fuse.h``, version 7.31), and needs root.

On standard input, one line an order: ``cut SEED PATH`` writes to PATH the image that a power cut at this instant could
leave: what is durable, with none, all, the first few, or any 512-byte sectors of what was not flushed. It answers with
one line: how many writes were not flushed, and which of the four it was.
"""

import ctypes
import errno
import os
import random
import select
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

ASK, SAY = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS = 1, 2, 3, 4, 14, 15, 16, 17
RELEASE, FSYNC, FLUSH, INIT, OPENDIR, RELEASEDIR, ACCESS, INTERRUPT, BATCH_FORGET = 18, 20, 25, 26, 27, 29, 34, 36, 42
NO_ANSWER = {FORGET, INTERRUPT, BATCH_FORGET}
FOLDER, DISK = 1, 2
LARGEST_WRITE = 1 << 20
DIRECT_IO, BIG_WRITES, MAX_PAGES = 1, 1 << 5, 1 << 22
SECTOR = 512
FATES = ("none", "all", "first", "any")


class Refused(Exception):
    """The kernel asks for what this file system does not do."""


class Disk:
    """The bytes, and what of them would survive."""

    def __init__(self, image: bytes) -> None:
        self._durable, self._current = bytearray(image), bytearray(image)
        self._unflushed: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._current)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._current[offset : offset + size])

    def write(self, offset: int, content: bytes) -> None:
        self._current[offset : offset + len(content)] = content
        self._unflushed.append((offset, content))

    def flush(self) -> None:
        for offset, content in self._unflushed:
            self._durable[offset : offset + len(content)] = content
        self._unflushed.clear()

    def cut(self, seed: str, path: Path) -> str:
        rng = random.Random(seed)
        fate = rng.choice(FATES)
        image = bytearray(self._durable)
        count = {"none": 0, "first": rng.randint(0, len(self._unflushed))}.get(fate, len(self._unflushed))
        for offset, content in self._unflushed[:count]:
            for start in range(0, len(content), SECTOR if fate == "any" else len(content)):
                if fate != "any" or rng.random() < 0.5:
                    part = content[start : start + SECTOR] if fate == "any" else content
                    image[offset + start : offset + start + len(part)] = part
        path.write_bytes(image)
        return f"{len(self._unflushed)} {fate}"


class Kernel:
    """The other end of ``/dev/fuse``: answers what the kernel asks about the folder and its one file."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self.device = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"volatile", bytes(folder), b"fuse", 0, options):
            raise OSError(ctypes.get_errno(), f"mount {folder}: {os.strerror(ctypes.get_errno())}")
        self._answers: dict[int, Callable[[int, bytes], bytes]] = {
            INIT: lambda _, body: struct.pack(
                "<IIIIHHIIHHI28x", 7, 31, 0, BIG_WRITES | MAX_PAGES, 16, 12, LARGEST_WRITE, 1, LARGEST_WRITE >> 12, 0, 0
            ),
            LOOKUP: lambda _, body: self._entry(body),
            GETATTR: lambda node, _: struct.pack("<QII", 3_600, 0, 0) + self._attributes(node),
            SETATTR: lambda node, _: struct.pack("<QII", 3_600, 0, 0) + self._attributes(node),
            OPEN: lambda *_: struct.pack("<QII", 0, DIRECT_IO, 0),
            OPENDIR: lambda *_: struct.pack("<QII", 0, 0, 0),
            READ: self._read,
            WRITE: self._write,
            STATFS: lambda *_: struct.pack("<QQQQQIIII24x", 0, 0, 0, 0, 0, 4_096, 255, 4_096, 0),
            FSYNC: self._fsync,
            **dict.fromkeys((FLUSH, RELEASE, RELEASEDIR, ACCESS), lambda *_: b""),
        }

    def answer(self) -> bool:
        """Answer the next request; False once the folder is unmounted."""
        try:
            request = os.read(self.device, LARGEST_WRITE + 65_536)
        except OSError as error:
            if error.errno in {errno.EINTR, errno.EAGAIN, errno.ENOENT}:
                return True
            if error.errno == errno.ENODEV:
                return False
            raise
        _, operation, unique, node, *_ = ASK.unpack_from(request)
        if operation in NO_ANSWER:
            return True
        try:
            known = self._answers.get(operation)
            body, code = (known(node, request[ASK.size :]), 0) if known else (b"", -errno.ENOSYS)
        except Refused:
            body, code = b"", -errno.ENOENT
        os.write(self.device, SAY.pack(SAY.size + len(body), code, unique) + body)
        return True

    def _attributes(self, node: int) -> bytes:
        mode = stat.S_IFDIR | 0o755 if node == FOLDER else stat.S_IFREG | 0o600
        size = 0 if node == FOLDER else len(self._disk)
        return ATTRIBUTES.pack(node, size, size // SECTOR, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4_096, 0)

    def _entry(self, name: bytes) -> bytes:
        if name != b"disk\0":
            raise Refused
        return struct.pack("<QQQQII", DISK, 1, 3_600, 3_600, 0, 0) + self._attributes(DISK)

    def _read(self, _: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return self._disk.read(offset, size)

    def _write(self, _: int, body: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        self._disk.write(offset, body[40 : 40 + size])
        return struct.pack("<II", size, 0)

    def _fsync(self, *_: object) -> bytes:
        self._disk.flush()
        return b""


def serve(image: Path, folder: Path) -> None:
    """Until the folder is unmounted."""
    disk = Disk(image.read_bytes())
    kernel = Kernel(disk, folder)
    say("mounted")
    waiting = [kernel.device, sys.stdin]
    while True:
        ready, _, _ = select.select(waiting, [], [])
        if sys.stdin in ready:
            match sys.stdin.readline().split(maxsplit=2):
                case ["cut", seed, path]:
                    say(disk.cut(seed, Path(path.strip())))
                case _:
                    waiting.remove(sys.stdin)
        if kernel.device in ready and not kernel.answer():
            return


def say(line: str) -> None:
    """Answer an order."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
