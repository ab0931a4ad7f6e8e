"""Objects as plain files, named by their content."""

import hmac
import os
import re
import tempfile
import time
from pathlib import Path

from blake3 import blake3

from loopline.errors import NotFound, Unavailable
from loopline.records.ids import Digest

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SETTLED_SECONDS = 2.0
"""A file written so lately may be written again without a new time stamp: clocks of file systems are coarse."""


class FileObjects:
    """Keeps each object in ``root/ab/abcd...``: written aside, synced, renamed, the folder synced.

    A power cut leaves the object whole or absent; what it may leave is a file in ``root/incoming``, which nobody reads.
    """

    def __init__(self, root: Path, *, secret: bytes = b"") -> None:
        self._root, self._secret = root, secret
        self._verified: dict[Digest, tuple[int, int, int]] = {}

    def __getstate__(self) -> dict[str, object]:
        """What travels to other processes and machines: all but the secret, so that a copy signs no links."""
        return {**self.__dict__, "_secret": b""}

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
        try:
            content = self._found(digest).read_bytes()
        except OSError as error:
            raise _unreadable(digest, error) from error
        _check(digest, found=blake3(content).hexdigest())
        return content

    def path(self, digest: Digest) -> str:
        """The local file that holds the bytes. Raises as ``get`` does.

        A file is hashed once, and again when it was written since: its inode, size or time tell.
        """
        place = self._found(digest)
        try:
            known = place.stat()
            seen = (known.st_ino, known.st_size, known.st_mtime_ns)
            if self._verified.get(digest) != seen:
                _check(digest, found=blake3().update_mmap(place).hexdigest())
                if time.time() - known.st_mtime > _SETTLED_SECONDS:
                    self._verified[digest] = seen
        except OSError as error:
            raise _unreadable(digest, error) from error
        return str(place)

    def delete(self, digest: Digest) -> None:
        """Forget the object, durably; of one that is not there, nothing happens."""
        if not _DIGEST.fullmatch(digest):
            return
        place = self._place(digest)
        self._verified.pop(digest, None)
        try:
            place.unlink()
            sync_folder(place.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            reason = f"cannot delete under {self._root}: {error.strerror}"
            raise Unavailable(f"object {digest}", reason=reason, remedy="check its rights") from error

    def link(self, digest: Digest, *, seconds: int) -> str:
        """An address on this server that hands out the bytes to whoever has it, for so long. Raises NotFound.

        Raises Unavailable without a secret: anybody could sign then. ``is_valid_link`` is the other side.
        """
        if not self._found(digest).is_file():
            raise NotFound("object", digest)
        if not self._secret:
            reason = "the object store has no secret to sign links with"
            raise Unavailable(f"link to object {digest}", reason=reason, remedy="open it with one")
        until = int(time.time()) + seconds
        return f"/objects/{digest}?until={until}&signature={_signature(digest, until=until, secret=self._secret)}"

    def _place(self, digest: Digest) -> Path:
        return self._root / digest[:2] / digest

    def _found(self, digest: Digest) -> Path:
        """Where the object is if there is one. What is no digest never becomes a path: NotFound."""
        if not _DIGEST.fullmatch(digest):
            raise NotFound("object", digest)
        return self._place(digest)

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


def is_valid_link(digest: str, *, until: int | str, signature: str, secret: bytes, now: float) -> bool:
    """Whether a link with these parts was made with the secret and has not ended. Takes as long for any wrong answer.

    ``until`` and ``now``: seconds since 1970 UTC. Never true without a secret.

    >>> made = _signature("ab12", until=1_000, secret=b"key")
    >>> is_valid_link("ab12", until="1000", signature=made, secret=b"key", now=999.5)
    True
    >>> is_valid_link("ab12", until="1000", signature=made, secret=b"key", now=1000.0)
    False
    >>> is_valid_link("ab12", until="9999", signature=made, secret=b"key", now=999.5)
    False
    """
    written = str(until)
    if not secret or not re.fullmatch(r"[0-9]{1,12}", written):
        return False
    expected = _signature(digest, until=int(written), secret=secret)
    # As bytes: of strings beyond ASCII, compare_digest raises.
    is_ours = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
    return is_ours and now < int(written)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system knows such a thing."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _signature(digest: str, *, until: int, secret: bytes) -> str:
    return hmac.new(secret, f"object {digest} until {until}".encode(errors="replace"), "sha256").hexdigest()


def _check(digest: Digest, *, found: str) -> None:
    if found != digest:
        reason = "what is stored no longer matches its digest"
        raise Unavailable(f"object {digest}", reason=reason, remedy="restore the file from a copy")


def _unreadable(digest: Digest, error: OSError) -> NotFound | Unavailable:
    if isinstance(error, FileNotFoundError):
        return NotFound("object", digest)
    return Unavailable(f"object {digest}", reason=str(error.strerror), remedy="check its rights")
