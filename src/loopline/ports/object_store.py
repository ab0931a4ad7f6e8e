"""Content-addressed bytes: models, dataset files, manifests, log segments, payloads."""

from typing import Protocol

from loopline.records.ids import Digest


class ObjectStore(Protocol):
    """Keeps bytes under the BLAKE3 of their content; what it returns is verified."""

    def put(self, content: bytes) -> Digest:
        """Store the bytes, durably, and return their digest. Storing twice changes nothing."""
        ...

    def get(self, digest: Digest) -> bytes:
        """The bytes with this digest. Raises NotFound; Unavailable when what is stored no longer matches it."""
        ...

    def path(self, digest: Digest) -> str:
        """A local file that holds the bytes, for programs that need a path. Raises as ``get`` does."""
        ...

    def delete(self, digest: Digest) -> None:
        """Forget the object; of one that is not there, nothing happens."""
        ...

    def link(self, digest: Digest, *, seconds: int) -> str:
        """An address that hands out the bytes to whoever has it, for so long. Raises NotFound."""
        ...
