"""The power fails at fifty random instants: every acknowledged row is still there, once, and every digest agrees.

A writer appends, seals, archives and deletes on an ext4 file system, on a loop device, on a disk whose cache is
volatile (``volatile_disk.py``). A cut takes what such a disk could hold at that instant: all that was flushed, and of
the rest nothing, everything, the first few writes, or any sectors. The copy is mounted, which replays ext4's journal,
and the log is opened on it. Nothing is stopped for a cut, so that cuts fall between any two writes of a transaction, of
a rename or of a deletion; each tenth ends the writer's life, and the next one goes on with what that cut has left.

Needs root, loop devices and ``/dev/fuse``. It does not model a disk that lies about flushes or damages what it holds.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock, Thread
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.spool.keeping import Keeper
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.manifest import SqlManifest
from loopline.ports.prediction_log import Appended
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.records.settings import CaptureSettings
from loopline.testing.factories import LOOP, prediction

pytestmark = pytest.mark.service

LIVES, CUTS = 5, 10
SIZE = 96 << 20
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(seconds=60)
"""Between two rows, by the writer's clock: its log grows old in seconds, and has all of its upkeep done to it."""
SETTINGS = CaptureSettings(hot_seconds=120 * 3_600.0, retain_seconds=132 * 3_600.0)
BATCH = 40
"""Most rows of one append."""
WAITING = 80
"""Rows of the tail at which the writer goes slowly, so that its keeper makes small segments, and merges them."""
WRITER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    import test_power_cut
    test_power_cut.write(Path(sys.argv[2]), forgets=sys.argv[3])
"""


class Rooms(NamedTuple):
    """The log of one life, and what keeps it."""

    log: SpoolLog
    keeper: Keeper
    manifest: SqlManifest
    objects: FileObjects
    clock: ManualClock


@contextmanager
def opened(root: Path) -> Iterator[Rooms]:
    """The log in this folder; its clock stands where its last row was made."""
    database = open_database(f"sqlite:///{root}/state.db")
    manifest, objects, clock = SqlManifest(database), FileObjects(root / "objects"), ManualClock(BEGAN)
    try:
        with closing(SpoolLog(root / "spool.db", loop=LOOP, manifest=manifest, objects=objects)) as log:
            clock.advance((log.end() * STEP).total_seconds())
            keeper = Keeper(log, manifest=manifest, objects=objects, settings=SETTINGS, clock=clock)
            yield Rooms(log, keeper, manifest, objects, clock)
    finally:
        database.dispose()


def made(position: int) -> Prediction:
    """The row at this position, the same in every life."""
    rng = random.Random(position)
    text = f"row {position} {rng.randbytes(rng.randint(0, 200)).hex()}"
    return prediction(name(position), text, at=BEGAN + position * STEP, latency_us=position)


def name(position: int) -> PredictionId:
    return PredictionId(f"row-{position:09}")


def write(root: Path, *, forgets: str) -> None:
    """Append for ever, keep the log on a thread of its own, and say what was acknowledged."""
    if forgets != "nothing":
        FORGETTING[forgets]()
    with opened(root) as rooms:
        Thread(target=_keep, args=(rooms,), daemon=True).start()
        end = rooms.log.end()
        while True:
            size = 1 + end % BATCH
            rooms.log.append([made(position) for position in range(end + 1, end + size + 1)])
            end += size
            _say(f"stored {end}")
            rooms.clock.advance((size * STEP).total_seconds())
            time.sleep(0.03 if rooms.log.waiting()[1] > WAITING else 0.002)


def _keep(rooms: Rooms) -> None:
    while True:
        _say("keeping")
        told = rooms.keeper.look()
        _say(f"kept {'; '.join(told)}")
        time.sleep(0.002)


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def forget_files() -> None:
    """From now on this process asks no disk to keep a file; SQLite still does."""
    os.fsync = os.fdatasync = lambda _: None


def forget_database() -> None:
    """From now on SQLite asks no disk to keep anything."""
    import sqlite3

    class Careless(sqlite3.Connection):
        def execute(self, sql: str, *given: object) -> sqlite3.Cursor:
            return super().execute(FULL.sub("synchronous=OFF", sql), *given)

    connect = sqlite3.connect
    sqlite3.connect = sqlite3.dbapi2.connect = lambda *given, **options: connect(*given, **options, factory=Careless)


FULL = re.compile("synchronous ?= ?FULL")
FORGETTING = {"files": forget_files, "database": forget_database}


class Writer:
    """A life of the writer: what it said, as far as it was heard."""

    def __init__(self, root: Path, *, forgets: str) -> None:
        order = [sys.executable, "-c", textwrap.dedent(WRITER), str(Path(__file__).parent), str(root), forgets]
        self.process = subprocess.Popen(order, stdout=subprocess.PIPE, text=True)
        self.acknowledged, self.is_keeping = 0, False
        self.acts: Counter[str] = Counter()
        self._lock = Lock()
        self._hearing = Thread(target=self._hear)
        self._hearing.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            with self._lock:
                if word == "stored":
                    self.acknowledged = int(rest)
                self.is_keeping = word == "keeping" or (self.is_keeping and word == "stored")
                if word == "kept":
                    self.acts.update(act.split()[0] for act in rest.split("; ") if act)

    def wait_for(self, rng: random.Random, *, in_keeping: bool) -> None:
        """Until a random instant; when asked so, one at which it keeps its log."""
        time.sleep(rng.uniform(0.05, 0.4))
        deadline = time.monotonic() + 2
        while in_keeping and not self.is_keeping and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.01))
        assert self.process.poll() is None, "the writer has ended"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._hearing.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Disk:
    """The volatile disk: a program that the kernel asks, and a loop device over its one file."""

    def __init__(self, image: Path, folder: Path) -> None:
        program = Path(__file__).with_name("volatile_disk.py")
        order = [sys.executable, str(program), str(image), str(folder)]
        self.process = subprocess.Popen(order, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._answer() == "mounted"

    def cut(self, seed: str, image: Path) -> str:
        """Leave in ``image`` what a power cut would leave now; how, in words."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"cut {seed} {image}\n")
        return self._answer()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(timeout=30)

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
"""Where programs are: people who become root keep a PATH without the last two."""


def run(*command: str) -> str:
    program = shutil.which(command[0], path=PLACES) or command[0]
    return subprocess.run([program, *command[1:]], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def mounted(file: Path, folder: Path) -> Iterator[Path]:
    """The ext4 file system in this file, on a loop device, at this folder."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as undo:
        device = run("losetup", "--find", "--show", str(file))
        undo.callback(run, "losetup", "--detach", device)
        run("mount", "-t", "ext4", device, str(folder))
        undo.callback(run, "umount", str(folder))
        yield folder


@contextmanager
def volatile(image: Path, folder: Path) -> Iterator[Disk]:
    """The volatile disk with the bytes of this image, its file at ``folder/disk``."""
    folder.mkdir(exist_ok=True)
    disk = Disk(image, folder)
    try:
        yield disk
    finally:
        run("umount", str(folder))
        disk.close()


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """An image with an empty file system. Skips where there are no such disks, and says why."""
    wanted = ("losetup", "mount", "umount", "mkfs.ext4")
    missing = [program for program in wanted if shutil.which(program, path=PLACES) is None]
    missing += [] if os.geteuid() == 0 else ["root"]
    missing += [device for device in ("/dev/fuse", "/dev/loop-control") if not os.access(device, os.R_OK | os.W_OK)]
    if missing:
        pytest.skip(f"a power cut needs a disk of its own; here is no {', no '.join(missing)}")
    image = tmp_path / "blank.img"
    with image.open("wb") as file:
        file.truncate(SIZE)
    run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", str(image))
    return image


def losses(root: Path, *, acknowledged: int) -> list[str]:
    """What is wrong with the log that the cut has left; it is opened as the next start would open it."""
    with opened(root) as rooms:
        log, end = rooms.log, rooms.log.end()
        found = [] if end >= acknowledged else [f"rows {end + 1} to {acknowledged} are lost"]
        segments = rooms.manifest.segments(LOOP)
        deleted = {
            position
            for segment in segments
            if segment.tier == "deleted"
            for position in range(segment.first, segment.first + segment.rows)
        }
        kept = [position for position in range(1, end + 1) if position not in deleted]
        scores = log.scores(after=0, until=end)
        if scores.position.tolist() != kept or scores.id.tolist() != list(map(name, kept)):
            found.append(f"{len(scores.id)} rows are read where {len(kept)} are due")
        parts = log.parts()
        columns = ["id", "inputs", "latency_us"]
        tables = [pq.read_table(file, columns=columns) for file in parts.files] + [parts.tail.select(columns)]
        rows = sorted(tuple(row.values()) for table in tables for row in table.to_pylist())
        due = [(row.id, row.inputs, row.latency_us) for row in map(made, kept)]
        found += [] if rows == due else ["the rows are not those that were appended"]
        found += log.damage()
        for segment in segments:
            if segment.tier != "deleted":
                rooms.objects.get(segment.digest)  # raises when its bytes are not those of its name
        # The writer's clock may have been a batch ahead of the last row that the cut has left.
        oldest = BEGAN + (max(end, acknowledged) + 2 * BATCH) * STEP - timedelta(seconds=SETTINGS.retain_seconds)
        found += [f"row {position} was deleted too early" for position in deleted if made(position).at > oldest]
        found += _unfit(rooms, end=end)
        return found


def _unfit(rooms: Rooms, *, end: int) -> list[str]:
    """What of the log does not go on: it takes new rows, knows its last one, and is kept."""
    wrong = []
    if end and rooms.log.append([made(end)]) != Appended(stored=0, repeated=1):
        wrong.append(f"row {end} is stored twice")
    if rooms.log.append([made(end + 1)]) != Appended(stored=1, repeated=0) or rooms.log.end() != end + 1:
        wrong.append(f"row {end + 1} is not taken")
    rooms.keeper.look()
    return wrong + [rooms.keeper.trouble] * bool(rooms.keeper.trouble)


class Seen(NamedTuple):
    """What the cuts of a test have met."""

    wrong: dict[str, list[str]]
    during_keeping: int
    fates: Counter[str]
    acts: Counter[str]


def cuts(blank: Path, folder: Path, *, lives: int, forgets: str) -> Seen:
    """Ten cuts a life; the disk of the next life is what the last cut has left."""
    seen = Seen({}, 0, Counter(), Counter())
    image = blank
    for life in range(lives):
        rng = random.Random(life)
        with volatile(image, folder / "fuse") as disk, mounted(folder / "fuse" / "disk", folder / "life") as root:
            writer = Writer(root, forgets=forgets)
            try:
                for number in range(CUTS):
                    writer.wait_for(rng, in_keeping=number % 2 == 1)
                    acknowledged, is_keeping = writer.acknowledged, writer.is_keeping
                    image = folder / f"cut-{life}.img"
                    how = disk.cut(f"{life}/{number}", image)
                    if number == CUTS - 1:
                        writer.kill()
                    seen = seen._replace(during_keeping=seen.during_keeping + is_keeping)
                    seen.fates[how.split()[1]] += 1
                    wrong = found_after(image, folder / "after", acknowledged=acknowledged)
                    if wrong:
                        seen.wrong[f"life {life}, cut {number}, {how}, {acknowledged} rows"] = wrong
            finally:
                writer.kill()
                seen.acts.update(writer.acts)
    return seen


def found_after(image: Path, folder: Path, *, acknowledged: int) -> list[str]:
    """What a look at a copy of the image finds wrong: the image itself stays as the cut has left it."""
    copy = image.with_suffix(".copy")
    shutil.copyfile(image, copy)
    with mounted(copy, folder) as root:
        try:
            return losses(root, acknowledged=acknowledged)
        except Exception as error:  # noqa: BLE001  whatever it raises is a finding
            return [f"the log does not open or does not read: {error!r}"]


def test_no_acknowledged_row_is_lost_in_fifty_power_cuts(blank, tmp_path, record_property):
    seen = cuts(blank, tmp_path, lives=LIVES, forgets="nothing")
    record_property("cuts", f"{dict(seen.fates)}, {seen.during_keeping} of them in keeping: {dict(seen.acts)}")
    assert seen.wrong == {}
    assert sum(seen.fates.values()) == LIVES * CUTS
    assert seen.during_keeping >= 10
    assert {"sealed", "merged", "archived", "deleted", "removed"} == set(seen.acts)


@pytest.mark.parametrize("forgotten", FORGETTING)
def test_a_writer_that_forgets_to_sync_is_found_out(blank, tmp_path, forgotten):
    assert cuts(blank, tmp_path, lives=1, forgets=forgotten).wrong
