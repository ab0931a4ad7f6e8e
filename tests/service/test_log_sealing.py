"""The log with its upkeep in processes of their own: killed at any instant, two at once, and on a disk that fills."""

import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.manifest import SqlManifest
from loopline.records.ids import PredictionId
from loopline.testing.factories import LOOP, NOW, prediction

pytestmark = pytest.mark.service

OPENING = """
    import os, sys, threading
    from datetime import timedelta
    from pathlib import Path
    from loopline.adapters.files.objects import FileObjects
    from loopline.adapters.memory.clock import ManualClock
    from loopline.adapters.spool import keeping, packing
    from loopline.adapters.spool.keeping import Keeper
    from loopline.adapters.spool.log import SpoolLog
    from loopline.adapters.sql.database import open_database
    from loopline.adapters.sql.manifest import SqlManifest
    from loopline.errors import Unavailable
    from loopline.records.settings import CaptureSettings
    from loopline.testing.factories import LOOP, NOW, prediction

    root = Path(sys.argv[1])
    manifest = SqlManifest(open_database(f"sqlite:///{root}/state.db"))
    objects = FileObjects(root / "objects")
    log = SpoolLog(root / "spool.db", loop=LOOP, manifest=manifest, objects=objects)
"""
BUSY = """
    def say(line):  # in one piece, whoever else says something
        os.write(1, f"{line}\\n".encode())

    keeping.SEAL_ROWS, packing.SMALL_ROWS, packing.RUN = 60, 500, 4
    clock, settings = ManualClock(NOW), CaptureSettings(hot_seconds=1e9, retain_seconds=0.0)
    keeper = Keeper(log, manifest=manifest, objects=objects, settings=settings, clock=clock)

    def keep():
        while True:
            for told in keeper.look():
                say(f"kept {told}")
            clock.advance(1.0)

    threading.Thread(target=keep, daemon=True).start()
    end = log.end()
    while True:
        log.append([prediction(f"p{i:07}", f"row {i}") for i in range(end, end + 20)])
        end += 20
        say(f"stored {end}")
"""
SHARING = """
    mine = sys.argv[2]
    for turn in range(40):
        shared = [prediction(f"shared-{turn}-{i}") for i in range(10)]
        own = [prediction(f"{mine}-{turn}-{i}") for i in range(10)]
        log.append([*own, *shared] if turn % 2 else [*shared, *own])
        if turn % 5 == 4:
            log.seal(now=NOW, rows=100)
        print("stored", turn, flush=True)
"""
FILLING = """
    import resource
    from loopline.records.ids import PredictionId

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def rows(number):
        return [prediction(f"p{number}-{i}", "x" * 2_000) for i in range(10)]

    limit(400_000)
    stored, refused = 0, 0
    while refused < 3:
        try:
            log.append(rows(stored))
            stored += 1
        except Unavailable as error:
            refused += 1
            print("refused", error, flush=True)
    try:
        limit(1_000)
        log.seal(now=NOW, rows=1_000)
    except Unavailable as error:
        print("unsealed", error, flush=True)
    found = log.scores(after=0, until=10**9).id.tolist()
    assert found == [f"p{number}-{i}" for number in range(stored) for i in range(10)], found
    assert log.find(PredictionId(f"p{stored - 1}-9")).id
    limit(resource.RLIM_INFINITY)
    log.append(rows(stored))
    assert log.seal(now=NOW, rows=10**9).rows == 10 * stored + 10
    print("healed", stored + 1, flush=True)
"""


def started(program: str, root: Path, *arguments: str) -> subprocess.Popen[str]:
    source = textwrap.dedent(OPENING) + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-c", source, str(root), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@contextmanager
def opened(root: Path) -> Iterator[SpoolLog]:
    database = open_database(f"sqlite:///{root}/state.db")
    manifest, objects = SqlManifest(database), FileObjects(root / "objects")
    try:
        with closing(SpoolLog(root / "spool.db", loop=LOOP, manifest=manifest, objects=objects)) as log:
            yield log
    finally:
        database.dispose()


def test_a_writer_that_is_killed_at_any_instant_has_lost_and_doubled_nothing(tmp_path: Path) -> None:
    rng, acknowledged, kept = random.Random(3), 0, ""
    for life in range(10):
        writer = started(BUSY, tmp_path)
        assert writer.stdout
        first = writer.stdout.readline()
        time.sleep(rng.uniform(0.1, 0.9))
        writer.send_signal(signal.SIGKILL)
        told, trouble = writer.communicate(timeout=30)
        assert writer.returncode == -signal.SIGKILL, trouble
        lines = [line for line in (first + told).splitlines(keepends=True) if line.endswith("\n")]
        acknowledged = max(int(line.split()[1]) for line in lines if line.startswith("stored"))
        kept += told
        with opened(tmp_path) as log:
            end = log.end()
            assert acknowledged <= end <= acknowledged + 20, life
            names = [f"p{i:07}" for i in range(end)]
            scores = log.scores(after=0, until=end)
            assert scores.position.tolist() == list(range(1, end + 1))
            assert scores.id.tolist() == names
            assert log.tally() == {"incumbent": end}
            parts = log.parts()
            files = [name for file in parts.files for name in pq.read_table(file, columns=["id"])["id"].to_pylist()]
            assert files + parts.tail["id"].to_pylist() == names
            again = [prediction(name) for name in rng.sample(names, 20)]
            assert log.append(again).stored == 0
            assert log.find(PredictionId(names[-1])).inputs == f'"row {end - 1}"'.encode()
            assert log.damage() == ()
    assert "sealed" in kept
    assert "merged" in kept


def test_two_writers_of_one_spool_append_safely_and_know_each_others_rows(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass  # the state database is made once
    writers = [started(SHARING, tmp_path, name) for name in ("ana", "bo")]
    for writer in writers:
        _, trouble = writer.communicate(timeout=120)
        assert writer.returncode == 0, trouble
    expected = {f"{name}-{turn}-{i}" for name in ("ana", "bo", "shared") for turn in range(40) for i in range(10)}
    with opened(tmp_path) as log:
        scores = log.scores(after=0, until=10_000)
        assert sorted(scores.id.tolist()) == sorted(expected)
        assert scores.position.tolist() == list(range(1, 1_201)) == list(range(1, log.end() + 1))
        assert log.tally() == {"incumbent": 1_200}


def test_a_disk_that_fills_refuses_in_words_loses_nothing_and_heals(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    writer = started(FILLING, tmp_path)
    told, trouble = writer.communicate(timeout=120)
    assert writer.returncode == 0, trouble
    refused = [line for line in told.splitlines() if line.startswith("refused")]
    assert len(refused) == 3
    assert all(f"prediction log {tmp_path / 'spool.db'}: " in line for line in refused)
    assert all("free some space or restore the file from a copy" in line for line in refused)
    assert "unsealed" in told
    stored = int(told.splitlines()[-1].removeprefix("healed "))
    with opened(tmp_path) as log:
        names = [f"p{number}-{i}" for number in range(stored) for i in range(10)]
        assert log.scores(after=0, until=10**9).id.tolist() == names
        assert log.append([prediction("new", at=NOW)]).stored == 1
