import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.spool.counters import FileCounters
from loopline.errors import InvalidRecord
from loopline.ports.counters import NAMES, Counters
from loopline.testing.counters import CountersContract


class TestMemoryCounters(CountersContract):
    def make(self) -> Counters:
        return MemoryCounters()


class TestFileCounters(CountersContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "log" / "counters"

    def make(self) -> Counters:
        return FileCounters(self.path)

    def test_totals_survive_kill_9(self) -> None:
        program = """
            import os, signal, sys
            from pathlib import Path
            from loopline.adapters.spool.counters import FileCounters
            counters = FileCounters(Path(sys.argv[1]))
            for _ in range(12_345):
                counters.add("answered")
            os.kill(os.getpid(), signal.SIGKILL)
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(self.path)], check=False)
        assert done.returncode == -9
        assert FileCounters(self.path).read()["answered"] == 12_345

    def test_another_reader_sees_each_add_at_once(self) -> None:
        writer, reader = FileCounters(self.path), FileCounters(self.path)
        writer.add("stored", 7)
        assert reader.read()["stored"] == 7

    def test_the_layout_is_the_documented_one(self) -> None:
        counters = FileCounters(self.path)
        counters.add("answered", 258)
        counters.add("sampled_out", -1)
        counters.close()
        page = self.path.read_bytes()
        assert len(page) == 4_096
        assert page[:16] == b"LOOPCNT1" + bytes([2, 1, 0, 0, 0, 0, 0, 0])
        assert page[8 + 8 * NAMES.index("sampled_out") :][:8] == b"\xff" * 8

    def test_an_empty_file_of_a_start_that_was_cut_short_is_completed(self) -> None:
        self.path.parent.mkdir()
        self.path.write_bytes(b"")
        assert FileCounters(self.path).read()["answered"] == 0

    def test_a_foreign_file_is_refused_and_left_alone(self) -> None:
        self.path.parent.mkdir()
        self.path.write_bytes(b"%PDF-1.7 something")
        with pytest.raises(InvalidRecord, match=r"18 bytes that begin with b'%PDF-1.7', expected a page of totals"):
            FileCounters(self.path)
        assert self.path.read_bytes() == b"%PDF-1.7 something"

    def test_a_foreign_file_of_the_size_of_a_page_is_refused_too(self) -> None:
        self.path.parent.mkdir()
        self.path.write_bytes(b"%PDF-1.7".ljust(4_096, b"x"))
        with pytest.raises(InvalidRecord, match=r"4096 bytes that begin with b'%PDF-1.7', expected a page of totals"):
            FileCounters(self.path)
        assert self.path.read_bytes()[:9] == b"%PDF-1.7x"
