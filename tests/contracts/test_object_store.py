"""Every object store keeps the contract; files on a disk can also be damaged, and say so."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from loopline.adapters.files.objects import FileObjects, is_valid_link
from loopline.adapters.memory.objects import MemoryObjects
from loopline.errors import Unavailable
from loopline.records.ids import Digest
from loopline.testing.factories import digest
from loopline.testing.object_store import ObjectStoreContract


class TestMemoryObjects(ObjectStoreContract):
    def make(self) -> MemoryObjects:
        return MemoryObjects()


class TestFileObjects(ObjectStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> FileObjects:
        self.root = Path(tempfile.mkdtemp(dir=self.folder)) / "objects"
        return FileObjects(self.root, secret=b"secret")

    def beside(self, _: FileObjects) -> FileObjects:
        return FileObjects(self.root, secret=b"secret")

    def follow(self, link: str) -> bytes:
        address = urlsplit(link)
        (until,), (signature,) = (parse_qs(address.query)[key] for key in ("until", "signature"))
        name = Digest(address.path.removeprefix("/objects/"))
        assert is_valid_link(name, until=until, signature=signature, secret=b"secret", now=time.time())
        return FileObjects(self.root).get(name)

    def test_a_damaged_file_is_found_out_and_mended_by_putting_it_again(self) -> None:
        store = self.make()
        name = store.put(b"weights")
        Path(store.path(name)).write_bytes(b"weightz")
        for read in (store.get, store.path):
            with pytest.raises(Unavailable) as error:
                read(name)
            expected = f"object {name}: what is stored no longer matches its digest; restore the file from a copy"
            assert str(error.value) == expected
        assert store.put(b"weights") == name
        assert store.get(name) == b"weights"

    def test_another_process_finds_what_was_stored(self) -> None:
        FileObjects(self.folder / "shared").put(b"weights")
        assert FileObjects(self.folder / "shared").get(digest(b"weights")) == b"weights"

    def test_nothing_unfinished_is_left_or_read(self) -> None:
        store = FileObjects(self.folder / "shared")
        store.put(b"weights")
        assert list((self.folder / "shared" / "incoming").iterdir()) == []
        with pytest.raises(LookupError):
            store.get(digest(b"weigh"))

    def test_a_full_disk_is_not_filled_further_by_every_retry(self) -> None:
        program = (
            "import resource, sys; from pathlib import Path;"
            "from loopline.adapters.files.objects import FileObjects;"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000));"
            "FileObjects(Path(sys.argv[1])).put(bytes(2_000))"
        )
        command = [sys.executable, "-c", program, str(self.folder / "full")]
        for _ in range(2):
            failed = subprocess.run(command, capture_output=True, text=True, check=False)
            assert "Unavailable: object store: cannot write under" in failed.stderr
        assert [path for path in (self.folder / "full").rglob("*") if path.is_file()] == []

    def test_a_store_that_cannot_be_written_says_where(self) -> None:
        (self.folder / "file").write_bytes(b"")
        with pytest.raises(Unavailable) as error:
            FileObjects(self.folder / "file").put(b"weights")
        reason = f"cannot write under {self.folder}/file: Not a directory"
        assert str(error.value) == f"object store: {reason}; check its space and its rights"
