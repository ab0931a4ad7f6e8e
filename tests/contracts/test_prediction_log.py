import itertools
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.manifest import MemoryManifest
from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.spool.log import SpoolLog
from loopline.errors import Conflict, InvalidRecord, Unavailable
from loopline.ports.prediction_log import Appended
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.testing.factories import NOW, prediction
from loopline.testing.prediction_log import Log, PredictionLogContract, a_day


class TestMemoryLog(PredictionLogContract):
    def make(self) -> Log:
        return MemoryLog()


class OnDisk(PredictionLogContract):
    """Closes what a test opened."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.opened = tmp_path, list[SpoolLog]()
        yield
        for log in self.opened:
            log.close()

    def kept(self, log: SpoolLog) -> SpoolLog:
        self.opened.append(log)
        return log


class TestSealedLog(OnDisk):
    """Every append is sealed when the next call comes."""

    def make(self) -> Log:
        spool = self.folder / f"spool-{len(self.opened)}.db"
        log = SpoolLog(spool, manifest=MemoryManifest(), objects=MemoryObjects())
        return SealedBehind(self.kept(log), every=1)


class TestHalfSealedLog(OnDisk):
    """The oldest batch is sealed at every second append: some rows are in segments, some in the tail."""

    def make(self) -> Log:
        spool = self.folder / f"spool-{len(self.opened)}.db"
        log = SpoolLog(spool, manifest=MemoryManifest(), objects=MemoryObjects())
        return SealedBehind(self.kept(log), every=2)


class TestLanes(OnDisk):
    """What one lane appends and seals, another lane reads."""

    def make(self) -> Log:
        place = self.folder / str(len(self.opened))
        manifest, objects = MemoryManifest(), FileObjects(place / "objects")

        def lane(name: str) -> SpoolLog:
            path = place / f"{name}.db"
            return self.kept(SpoolLog(path, lane=name, manifest=manifest, objects=objects, is_alone=False))

        writer, reader = lane("a"), lane("b")
        return SealedBehind(writer, every=1, reader=reader)


class SealedBehind:
    """A log that is sealed as it is appended to."""

    def __init__(self, log: SpoolLog, *, every: int, reader: SpoolLog | None = None) -> None:
        self._log, self._reader = log, reader or log
        self._turns = itertools.cycle([*[False] * (every - 1), True])

    def append(self, predictions: Sequence[Prediction]) -> Appended:
        appended = self._log.append(predictions)
        if next(self._turns):
            self._log.seal(now=NOW, rows=1)
        return appended

    def tally(self) -> dict[str, int]:
        return self._log.tally()

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)


class TestSpoolLog(OnDisk):
    def make(self) -> Log:
        return self.open(f"spool-{len(self.opened)}.db")

    def open(self, name: str) -> SpoolLog:
        return self.kept(SpoolLog(self.folder / "log" / name))

    def test_a_second_opening_finds_everything(self) -> None:
        self.open("a.db").append(a_day())
        again = self.open("a.db")
        assert [again.find(row.id) for row in a_day()] == a_day()
        assert again.append(a_day()).repeated == 12
        assert again.tally() == {"incumbent": 4, "canary": 4, "shadow": 2, "direct": 2}

    def test_an_open_reader_sees_what_a_writer_appends_later(self) -> None:
        writer, reader = self.open("a.db"), self.open("a.db")
        assert reader.end() == 0
        writer.append(a_day()[:3])
        assert reader.scores(after=0, until=9).id.tolist() == ["p1", "p2", "p3"]
        writer.append(a_day()[3:])
        assert reader.end() == 12

    def test_a_long_read_does_not_hold_up_the_flush_that_counts_its_rows(self) -> None:
        log = self.open("a.db")
        with ThreadPoolExecutor(1) as capture, log._spool.reads():  # as long as a reader holds it
            assert capture.submit(log.append, a_day()).result(timeout=10).stored == 12
            assert sum(capture.submit(log.tally).result(timeout=10).values()) == 12

    def test_what_was_acknowledged_survives_kill_9(self) -> None:
        program = """
            import os, signal, sys
            from pathlib import Path
            from loopline.adapters.spool.log import SpoolLog
            from loopline.testing.factories import prediction
            log = SpoolLog(Path(sys.argv[1]))
            for batch in range(20):
                log.append([prediction(f"p{batch}-{i}") for i in range(50)])
                print(batch, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
        path = self.folder / "log" / "a.db"
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), path], check=False, capture_output=True)
        assert done.returncode == -9
        log = self.open("a.db")
        assert log.end() == 50 * len(done.stdout.split()) == 1_000
        assert log.tally() == {"incumbent": 1_000}
        assert log.find(PredictionId("p19-49")).id == "p19-49"

    def test_a_file_that_is_no_database_is_unavailable(self) -> None:
        (self.folder / "log").mkdir()
        (self.folder / "log" / "a.db").write_bytes(b"not a database, but long enough to look at" * 40)
        with pytest.raises(Unavailable, match=r"prediction log .*a\.db: file is not a database; free some space or"):
            self.open("a.db")

    def test_a_file_of_a_newer_program_is_left_alone(self) -> None:
        self.open("a.db").close()
        with closing(sqlite3.connect(self.folder / "log" / "a.db")) as raw:
            raw.execute("PRAGMA user_version = 4")
        with pytest.raises(Conflict, match="prediction log: format 4, expected at most 3; open it with the program"):
            self.open("a.db")

    def test_a_text_that_is_not_unicode_is_refused_whole(self) -> None:
        log = self.open("a.db")
        with pytest.raises(InvalidRecord, match="a value that is not storable"):
            log.append([prediction("p1"), msgspec.structs.replace(prediction("p2"), group="\ud800")])
        assert log.end() == 0

    def test_a_full_disk_is_unavailable_and_heals(self) -> None:
        log = self.open("a.db")
        pages = log._spool.writer.execute("PRAGMA page_count").fetchone()[0]
        log._spool.writer.execute(f"PRAGMA max_page_count = {pages + 2}")
        rows = [prediction(f"p{i}") for i in range(500)]
        with pytest.raises(Unavailable, match="database or disk is full"):
            log.append(rows)
        log._spool.writer.execute("PRAGMA max_page_count = 1000000")
        assert log.append(rows).stored == 500
        assert log.tally() == {"incumbent": 500}

    def test_rows_after_a_repeated_one_are_found_by_their_own_id(self) -> None:
        log = self.open("a.db")
        log.append([prediction("p1", "one"), prediction("p1", "again"), prediction("p2", "two")])
        log.append([prediction("p2", "again"), prediction("p3", "three"), prediction("p4", "four")])
        found = {name: log.find(PredictionId(name)).inputs for name in ("p1", "p2", "p3", "p4")}
        assert found == {"p1": b'"one"', "p2": b'"two"', "p3": b'"three"', "p4": b'"four"'}

    def test_an_append_that_fails_halfway_leaves_nothing_behind_and_can_be_repeated(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        log = self.open("a.db")
        with monkeypatch.context() as patch:
            patch.setattr("loopline.adapters.spool.log.write_batch", fail)
            with pytest.raises(Unavailable, match="disk I/O error"):
                log.append(a_day())
        assert (log.end(), log.tally()) == (0, {})
        assert log.append(a_day()).stored == 12
        assert log.find(PredictionId("p9")) == a_day()[9]

    def test_an_append_is_on_the_disk_when_it_returns(self) -> None:
        log = self.open("a.db")
        pragmas = [
            log._spool.writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
        ]
        assert pragmas == ["wal", 2]
