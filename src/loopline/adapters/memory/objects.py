"""Objects in memory."""

import base64
import shutil
import tempfile
import weakref
from pathlib import Path
from threading import get_ident

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
        if not place.exists():
            aside = place.with_suffix(f".{get_ident()}")
            aside.write_bytes(content)
            aside.replace(place)
        return str(place)

    def delete(self, digest: Digest) -> None:
        """Forget the object; of one that is not there, nothing happens."""
        self._objects.pop(digest, None)

    def link(self, digest: Digest, *, seconds: int) -> str:  # noqa: ARG002 - what the address holds cannot end
        """An address that holds the bytes themselves. Raises NotFound."""
        return f"data:application/octet-stream;base64,{base64.b64encode(self.get(digest)).decode()}"
