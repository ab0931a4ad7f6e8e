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

    def test_two_processes_add_each_to_its_own_page_and_read_the_sum(self) -> None:
        other = self.path.with_name("other")
        server, recorder = FileCounters(self.path, beside=[other]), FileCounters(other, beside=[self.path])
        server.add("answered", 5)
        server.add("dropped", 1)
        recorder.settle({"stored": 3, "dropped": 1}, through=4)
        expected = dict.fromkeys(NAMES, 0) | {"answered": 5, "dropped": 2, "stored": 3}
        assert server.read() == recorder.read() == expected
        assert (server.settled(), recorder.settled()) == (0, 4)
        assert FileCounters(other).read() == dict.fromkeys(NAMES, 0) | {"dropped": 1, "stored": 3}

    def test_kill_9_leaves_no_half_of_a_settlement(self) -> None:
        program = """
            import sys
            from pathlib import Path
            from loopline.adapters.spool.counters import FileCounters
            counters = FileCounters(Path(sys.argv[1]))
            through = counters.settled()
            while True:
                through += 1
                counters.settle({"answered": 1, "stored": 1, "sampled_out": 1}, through=through)
        """
        counters, before = FileCounters(self.path), 0
        for _ in range(5):
            with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program), str(self.path)]) as process:
                while counters.settled() < before + 3_000:
                    pass
                process.kill()
            counters.close()
            counters = FileCounters(self.path)
            totals, before = counters.read(), counters.settled()
            assert totals == dict.fromkeys(NAMES, 0) | dict.fromkeys(("answered", "stored", "sampled_out"), before)
        counters.close()

    @pytest.mark.parametrize("marked", [0, 1])
    def test_a_settlement_that_was_cut_short_counts_from_its_mark_on(self, marked: int) -> None:
        counters = FileCounters(self.path)
        counters.settle({"stored": 7}, through=3)
        counters.close()
        with self.path.open("r+b") as file:
            file.seek(256 * 8)
            file.write(marked.to_bytes(8, "little"))
            file.seek((256 + 1 + NAMES.index("stored")) * 8)
            file.write((9).to_bytes(8, "little"))
            file.seek((256 + 255) * 8)
            file.write((4).to_bytes(8, "little"))
        again = FileCounters(self.path)
        assert (again.read()["stored"], again.settled()) == ((9, 4) if marked else (7, 3))

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
