"""Objects in a bucket, named by their content."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import obstore
from blake3 import blake3
from obstore.exceptions import BaseError

from loopline.adapters.objectstore.address import read_address
from loopline.adapters.objectstore.cache import LocalCopies, check
from loopline.adapters.objectstore.client import connect
from loopline.adapters.objectstore.trouble import MISSING, explain
from loopline.errors import InvalidRecord, NotFound
from loopline.records.ids import Digest

CACHE_BYTES = 10 * 2**30
"""Of local copies."""
SINGLE_BYTES = 16 * 2**20
"""A larger object is sent in parts, several at once, and appears whole or not at all."""
PART_BYTES = 8 * 2**20
LINK_SECONDS = 7 * 86_400
"""The clouds sign for no longer."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ObstoreObjects:
    """Keeps each object as ``PREFIX/ab/abcd...``, the layout of a folder of objects: either can be copied to the other.

    An object's name says what it holds, so writers never clash and no put need be conditional. What a get returns is
    hashed. Transient errors are tried again; the rest becomes Unavailable.
    """

    def __init__(self, url: str, *, cache: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self._address = read_address(url)
        self._client = connect(self._address, environment=os.environ)
        self._copies = LocalCopies(cache, size=cache_bytes)

    def __getstate__(self) -> dict[str, object]:
        """What travels to other processes and machines: no credentials; each takes those of its own environment."""
        return {name: value for name, value in self.__dict__.items() if name != "_client"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._client = connect(self._address, environment=os.environ)

    def put(self, content: bytes) -> Digest:
        """Store the bytes, durably, and return their digest. Twice changes nothing; a damaged object is mended."""
        digest = Digest(blake3(content).hexdigest())
        is_large = len(content) > SINGLE_BYTES
        with self._asking(digest, verb="write to"):
            obstore.put(self._client, _key(digest), content, use_multipart=is_large, chunk_size=PART_BYTES)
        return digest

    def get(self, digest: Digest) -> bytes:
        """The bytes with this digest. Raises NotFound; Unavailable when what is stored no longer matches it."""
        content = b"".join(self._chunks(digest))
        check(digest, found=blake3(content).hexdigest())
        return content

    def path(self, digest: Digest) -> str:
        """A local copy, verified; good for ten minutes at least, and then until others need the room.

        Raises as ``get`` does. A copy that is held is not asked for again: it stays when another machine deletes the
        object, until it is pushed out.
        """
        if not _DIGEST.fullmatch(digest):
            raise NotFound("object", digest)
        return str(self._copies.find(digest) or self._copies.fill(digest, self._chunks(digest)))

    def delete(self, digest: Digest) -> None:
        """Forget the object and the local copy; of one that is not there, nothing happens."""
        if not _DIGEST.fullmatch(digest):
            return
        try:
            with self._asking(digest, verb="delete from"):
                obstore.delete(self._client, _key(digest))
        except NotFound:  # S3 says nothing, the other clouds say 404
            pass
        self._copies.drop(digest)

    def link(self, digest: Digest, *, seconds: int) -> str:
        """An address in the cloud that hands out the bytes to whoever has it, for so long.

        Raises NotFound; InvalidRecord for more than a week, which no cloud signs.
        """
        if seconds > LINK_SECONDS:
            raise InvalidRecord(f"link to object {digest}", found=f"{seconds} s", expected=f"at most {LINK_SECONDS}")
        with self._asking(digest, verb="read from"):
            obstore.head(self._client, _key(digest))
            return obstore.sign(self._client, "GET", _key(digest), timedelta(seconds=seconds))

    def _chunks(self, digest: Digest) -> Iterator[bytes]:
        with self._asking(digest, verb="read from"):
            for chunk in obstore.get(self._client, _key(digest)).stream(min_chunk_size=PART_BYTES):
                yield bytes(chunk)

    @contextmanager
    def _asking(self, digest: Digest, *, verb: str) -> Iterator[None]:
        if not _DIGEST.fullmatch(digest):
            raise NotFound("object", digest)
        try:
            yield
        except (BaseError, OSError) as error:
            is_missing = isinstance(error, FileNotFoundError) and not MISSING.search(str(error))
            if is_missing and verb != "write to":  # to write, no object need be there: only the bucket can be missing
                raise NotFound("object", digest) from None
            raise explain(error, address=self._address, verb=verb) from error


def _key(digest: Digest) -> str:
    return f"{digest[:2]}/{digest}"
