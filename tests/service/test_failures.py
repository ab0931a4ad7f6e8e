"""A real loop while its disk, its store, its recorder or itself fails: it answers on, and accounts for each row."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.service.live import FATES, Bucket, Callers, Loop, until, up, write_loop

from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.log import SpoolLog
from loopline.apps.config import load_settings
from loopline.apps.recorder.words import COUNTERS, OWN_COUNTERS
from loopline.apps.wiring import open_house

pytestmark = pytest.mark.service

STALLED_SECONDS = 5
"""Stands for the minute that the benchmark stalls the recorder for."""
STALLED_MB = 40
"""What the server may grow by meanwhile; its ring has one."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a loop that has registered its model, and stopped."""
    folder = tmp_path_factory.mktemp("template")
    write_loop(folder)
    with up(folder) as loop:
        loop.stop()
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "loop"))


@pytest.fixture
def loop(folder: Path) -> Iterator[Loop]:
    with up(folder) as loop:
        yield loop


def stored(root: Path) -> list[str]:
    """The ids in the log of a loop that has stopped."""
    with closing(SpoolLog(root / "log" / "spool.db")) as log:
        return list(log.scores(after=0, until=log.end()).id.tolist())


def totals(root: Path) -> dict[str, int]:
    with closing(FileCounters(root / COUNTERS, beside=(root / OWN_COUNTERS,))) as counters:
        return counters.read()


def assert_balanced(root: Path, *, answered: list[str], lost: int = 0) -> dict[str, int]:
    """Every id that was answered is stored once, or counted; of what was killed in between, so many are not known."""
    found, held = totals(root), stored(root)
    assert found["answered"] == sum(found[fate] for fate in FATES), found
    assert len(held) == len(set(held)) == found["stored"]
    assert found["answered"] - lost <= len(answered) <= found["answered"]
    assert len(set(answered) - set(held)) <= found["dropped"]
    return found


def test_a_recorder_that_stands_still_costs_rows_that_are_counted_and_no_answer(loop):
    callers = Callers(loop, size=2_000)
    callers.more(300)
    before, recorder = loop.resident_mb(), loop.recorder()
    os.kill(recorder, signal.SIGSTOP)
    try:
        time.sleep(STALLED_SECONDS)
        until(lambda: loop.fates()["dropped"] > 1_000)
        assert loop.status()["counts"]["dropped"] > 1_000
        assert f"<dt>Dropped</dt><dd>{loop.fates()['dropped']:,}"[:20] in loop.overview()
        assert loop.metric("loopline_queue_used_bytes") <= loop.metric("loopline_queue_size_bytes") == 1 << 20
        assert loop.resident_mb() - before < STALLED_MB
    finally:
        os.kill(recorder, signal.SIGCONT)
    held = loop.fates()["stored"]
    until(lambda: loop.fates()["stored"] > held + 300)
    answered = callers.stop()
    assert callers.wrong == []
    assert loop.settled()["dropped"] > 1_000
    assert loop.recorder() == recorder
    loop.stop()
    found = assert_balanced(loop.root, answered=answered)
    assert found["answered"] == len(answered)


def test_a_recorder_that_is_killed_is_started_again_and_nothing_is_lost(folder):
    write_loop(folder, buffer_mb=64)  # room for what comes until the next one is there
    with up(folder) as loop:
        lose_recorders(loop)


def lose_recorders(loop: Loop) -> None:
    callers = Callers(loop)
    for _ in range(2):
        callers.more(300)
        before = loop.recorder()
        os.kill(before, signal.SIGKILL)
        until(lambda before=before: loop.recorder() not in (0, before))
    held = loop.fates()["stored"]
    until(lambda: loop.fates()["stored"] > held + 300)
    assert "the recorder died 2 times; it is started again" in loop.troubles()
    assert "recorder died 2 times" in loop.overview()
    assert loop.metric("loopline_trouble") == 1
    answered = callers.stop()
    assert callers.wrong == []
    assert loop.settled()["dropped"] == 0
    loop.stop()
    assert assert_balanced(loop.root, answered=answered)["stored"] == len(answered)


def test_a_server_that_is_killed_under_load_leaves_nothing_unaccounted(folder):
    answered = []
    for life in range(2):
        with up(folder) as loop:
            assert life == 0 or loop.settled()["answered"] >= len(answered)
            callers = Callers(loop, name=f"life{life}")
            callers.more(500)
            loop.process.kill()
            answered += callers.stop()
    with up(folder) as loop:
        found = loop.settled()
        loop.stop()
    # Each caller can have been answered without hearing of it.
    assert_balanced(loop.root, answered=answered, lost=2 * 4)
    assert found["dropped"] <= 2 * 4
    assert set(answered) <= set(stored(loop.root))


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """The loop's own folder on a disk of 24 MB."""
    root = folder / ".loopline"
    aside = root.rename(folder / "aside")
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", root]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(aside, root, dirs_exist_ok=True)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


def test_a_full_disk_stops_no_answer_and_is_told(small_disk):
    with up(small_disk) as loop:
        callers, ballast = Callers(loop, size=2_000), loop.root / "ballast"
        callers.more(300)
        fill(ballast)
        until(lambda: [one for one in loop.status()["troubles"] if "disk is full" in one])
        callers.more(1_000)
        until(lambda: loop.fates()["dropped"] > 100)
        assert "disk is full" in loop.overview()
        held = loop.fates()["stored"]
        ballast.unlink()
        until(lambda: loop.fates()["stored"] > held)
        until(lambda: "disk is full" not in loop.troubles())
        answered = callers.stop()
        assert callers.wrong == []
        loop.settled()
        loop.stop()
        assert assert_balanced(loop.root, answered=answered)["answered"] == len(answered)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65_536))
        except OSError:
            pass


def test_a_full_disk_is_said_at_the_start(small_disk):
    fill(small_disk / ".loopline" / "ballast")
    loop = Loop(small_disk)
    try:
        assert loop.process.wait(60) != 0
        assert "Traceback" not in loop.said.read_text()
        assert any(word in loop.said.read_text() for word in ("disk I/O error", "disk is full", "No space"))
    finally:
        loop.end()


def test_a_spool_that_cannot_be_written_stops_no_answer_and_is_told(loop):
    spool = loop.root / "log" / "spool.db"
    files = [path for path in (spool, spool.with_name("spool.db-wal")) if path.exists()]
    callers = Callers(loop)
    callers.more(100)
    changed = subprocess.run(["chattr", "+i", *files], capture_output=True, text=True, check=False)
    try:
        if changed.returncode:
            pytest.skip(f"no file can be made immutable here: {changed.stderr.strip()}")
        until(lambda: "spool.db" in loop.troubles())
        callers.more(500)
    finally:
        subprocess.run(["chattr", "-i", *files], capture_output=True, check=False)
        answered = callers.stop()
    assert callers.wrong == []
    until(lambda: not loop.troubles())
    loop.settled()
    loop.stop()
    assert_balanced(loop.root, answered=answered)


def test_a_spool_that_another_program_holds_stops_no_answer_and_is_told(loop):
    callers = Callers(loop)
    callers.more(100)
    with closing(sqlite3.connect(loop.root / "log" / "spool.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        until(lambda: "spool.db" in loop.troubles())
        callers.more(300)
        other.execute("ROLLBACK")
    until(lambda: not loop.troubles())
    answered = callers.stop()
    assert callers.wrong == []
    loop.settled()
    loop.stop()
    assert assert_balanced(loop.root, answered=answered)["answered"] == len(answered)


def test_a_second_loop_in_the_same_folder_is_refused(loop):
    second = Loop(loop.folder)
    try:
        assert second.process.wait(60) != 0
        said = second.said.read_text()
        assert f"in use by process {loop.process.pid}, expected free; stop that one first" in said
        assert "Traceback" not in said
    finally:
        second.end()
    callers = Callers(loop)
    callers.more(50)
    callers.stop()
    assert callers.wrong == []


@pytest.fixture
def bucket(folder: Path) -> Iterator[Bucket]:
    bucket = Bucket(folder / ".loopline" / "objects")
    shutil.rmtree(folder / ".loopline" / "objects")
    yield bucket
    bucket.close()


def test_a_store_that_is_away_stops_no_answer_and_is_told(folder, bucket):
    write_loop(folder, payload_bytes=1_000)
    with up(folder, environment=bucket.environment) as loop:
        before = len(bucket.objects)
        callers = Callers(loop, size=2_000)
        callers.more(20)
        callers.stop()
        loop.settled()
        assert len(bucket.objects) == before + 1  # all sent the same text
        bucket.close()
        callers = Callers(loop, name="away", size=3_000)
        until(loop.troubles)
        callers.more(300)
        assert "s3://loop" in loop.troubles()
        assert "s3://loop" in loop.overview()
        callers.stop()
        assert callers.wrong == []
        bucket.open()
        until(lambda: not loop.troubles())
        loop.settled()
        loop.stop()
        found = totals(loop.root)
        assert found["answered"] == sum(found[fate] for fate in FATES)
        assert len(bucket.objects) == before + 2


def flip(path: Path, within: bytes) -> None:
    """Turn one bit over near the middle of these bytes of the file: at the first place that the file has once only."""
    content = bytearray(path.read_bytes())
    places = (within[start : start + 64] for start in range(len(within) // 2, len(within) - 64))
    content[content.index(next(place for place in places if content.count(place) == 1))] ^= 1
    path.write_bytes(content)


def spoil_spool(folder: Path) -> int:
    """Rows of the batch in which a bit was turned over."""
    spool = folder / ".loopline" / "log" / "spool.db"
    with closing(sqlite3.connect(spool)) as reader:
        rows, arrow = reader.execute("SELECT count, arrow FROM batches ORDER BY first LIMIT 1").fetchone()
    flip(spool, arrow)
    return int(rows)


def spoil_segment(folder: Path) -> int:
    """Rows of the segment in which a bit was turned over; it is made of the oldest half of the log first."""
    root = folder / ".loopline"
    house = open_house(load_settings(folder / "loop.toml"), root=root)
    try:
        segment = house.log.seal(now=datetime.now(UTC), rows=house.log.end() // 2)
    finally:
        house.log.close()
        house.counters.close()
    path = root / "objects" / segment.digest[:2] / segment.digest
    flip(path, path.read_bytes())
    return segment.rows


@pytest.mark.parametrize("spoil", [spoil_spool, spoil_segment])
def test_a_bit_that_turned_over_is_found_and_told_and_the_rest_is_readable(folder, spoil):
    with up(folder) as loop:
        callers = Callers(loop)
        callers.more(400)
        held = len(callers.stop())
        assert loop.settled()["stored"] == held
        loop.stop()
    lost = spoil(folder)
    assert 0 < lost < held
    with up(folder) as loop:
        callers = Callers(loop, name="more")
        callers.more(100)
        held += len(callers.stop())
        assert callers.wrong == []
        assert loop.settled()["stored"] == held
        assert loop.query("SELECT count(*) FROM predictions") == [[held - lost]]
        assert loop.metric("loopline_log_damaged") == 1
        assert "left out" in loop.troubles()
        assert "left out" in loop.overview()
        loop.stop()


CLOCK = """
import datetime, os, pathlib
from loopline.adapters.system import clock

class Moved(datetime.datetime):
    @classmethod
    def now(cls, zone):
        hours = float(pathlib.Path(os.environ["CLOCK"]).read_text())
        return datetime.datetime.now(zone) + datetime.timedelta(hours=hours)

clock.datetime = Moved
"""
"""Run by every Python of the loop when it starts: the machine's time is so many hours off as a file says."""


def sealed(loop: Loop) -> float:
    """Rows that are in segments."""
    line = 'loopline_log_rows{tier="hot"}'
    return loop.metric(line) if line in loop.get("/metrics").text else 0


def until_sealed(loop: Loop, before: float, *, hours: Path) -> None:
    """Wait until more rows are in segments; an hour passes in half a second meanwhile."""
    start, hour = time.monotonic(), float(hours.read_text())

    def is_sealed() -> bool:
        move(hours, hour + 2 * (time.monotonic() - start))
        return sealed(loop) > before

    until(is_sealed)


def move(hours: Path, to: float) -> None:
    """Set the clock of a running loop."""
    hours.with_suffix(".new").write_text(str(to))
    hours.with_suffix(".new").rename(hours)


def test_a_clock_that_goes_back_changes_no_account(folder):
    hours = folder / "hours"
    (folder / "sitecustomize.py").write_text(CLOCK)
    move(hours, 0)
    with up(folder, environment={"PYTHONPATH": str(folder), "CLOCK": str(hours)}) as loop:
        answered: list[str] = []
        for turn, hour in enumerate((-5, 3, -48, 30, -1)):
            before, callers = sealed(loop), Callers(loop, name=f"turn{turn}")
            callers.more(200)
            move(hours, hour)
            callers.more(200)
            answered += callers.stop()
            assert callers.wrong == []
            if hour > 0:  # what has waited for an hour is sealed
                until_sealed(loop, before, hours=hours)
            assert loop.status()["troubles"] == []
            assert loop.get("/", accept="text/html").status_code == 200
        assert loop.settled()["stored"] == len(answered)
        assert loop.query("SELECT count(*), count(DISTINCT id) FROM predictions") == [[len(answered)] * 2]
        loop.stop()
