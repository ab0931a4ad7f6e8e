"""Objects in memory."""

import shutil
import tempfile
import weakref
from pathlib import Path

from blake3 import blake3

from loopline.errors import NotFound
from loopline.records.ids import Digest


class MemoryObjects:
    """Keeps bytes in a dictionary; ``path`` writes them to a folder that is removed with the store."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._folder: Path | None = None

    def put(self, content: bytes) -> Digest:
        """Store the bytes and return their digest. Storing twice changes nothing."""
        digest = Digest(blake3(content).hexdigest())
        self._objects[digest] = bytes(content)
        return digest

    def get(self, digest: Digest) -> bytes:
        """The bytes with this digest. Raises NotFound."""
        if digest not in self._objects:
            raise NotFound("object", digest)
        return self._objects[digest]

    def path(self, digest: Digest) -> str:
        """A local file that holds the bytes, for programs that need a path. Raises NotFound."""
        content = self.get(digest)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="loopline-objects-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        place = self._folder / digest
        place.write_bytes(content)
        return str(place)
