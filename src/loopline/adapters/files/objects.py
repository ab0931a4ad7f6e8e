"""Objects as plain files, named by their content."""

import os
import re
import tempfile
from pathlib import Path

from blake3 import blake3

from loopline.errors import NotFound, Unavailable
from loopline.records.ids import Digest

_DIGEST = re.compile(r"[0-9a-f]{64}")


class FileObjects:
    """Keeps each object in ``root/ab/abcd...``: written aside, synced, renamed, the folder synced.

    A power cut leaves the object whole or absent; what it may leave is a file in ``root/incoming``, which nobody reads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, content: bytes) -> Digest:
        """Store the bytes, durably, and return their digest. Twice changes nothing; a damaged file is mended."""
        digest = Digest(blake3(content).hexdigest())
        try:
            self._write(self._place(digest), content)
        except OSError as error:
            reason = f"cannot write under {self._root}: {error.strerror}"
            raise Unavailable("object store", reason=reason, remedy="check its space and its rights") from error
        return digest

    def get(self, digest: Digest) -> bytes:
        """The bytes with this digest. Raises NotFound; Unavailable when what is stored no longer matches it."""
        if not _DIGEST.fullmatch(digest):
            raise NotFound("object", digest)
        try:
            content = self._place(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound("object", digest) from None
        except OSError as error:
            raise Unavailable(f"object {digest}", reason=str(error.strerror), remedy="check its rights") from error
        if blake3(content).hexdigest() != digest:
            reason = "what is stored no longer matches its digest"
            raise Unavailable(f"object {digest}", reason=reason, remedy="restore the file from a copy")
        return content

    def path(self, digest: Digest) -> str:
        """The local file that holds the bytes, verified. Raises as ``get`` does."""
        self.get(digest)
        return str(self._place(digest))

    def _place(self, digest: Digest) -> Path:
        return self._root / digest[:2] / digest

    def _write(self, place: Path, content: bytes) -> None:
        incoming = self._root / "incoming"
        for folder in (incoming, place.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if not place.exists() or place.read_bytes() != content:
            handle, aside = tempfile.mkstemp(dir=incoming)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(aside).replace(place)
            finally:  # On a full disk, what each retry left would fill it further.
                Path(aside).unlink(missing_ok=True)
        # Also for a file that was there: whoever renamed it may have died before this line.
        for folder in (place.parent, self._root):
            sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system knows such a thing."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
