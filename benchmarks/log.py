"""The prediction log: how fast it takes rows, whether that lasts, how small they lie, how fast it answers.

Four parts, the same rows for all, row counts checked:

- appends: commits of 100, 1,000 and 10,000 rows, in rounds that take turns: ours (records in, on the disk when it
  returns), a plain DuckDB file (durable, Arrow in), Delta at its best setting and as its documents show it (Arrow in,
  and nothing is synced). ``ratio_vs_delta`` is ours over Delta's best at 100 rows.
- age: 20,000 commits of 100 rows with the keeper sealing on a thread of its own, as in production;
  ``last_over_first_commit`` is the median of the last 1,000 over that of the first 1,000, after 200 that do not count.
- size: bytes a row, in the tail, sealed, in the archive, and in the rivals' files.
- questions at 5,000,000 rows of a week, through the product's own query function, against the same SQL on an open
  connection to a plain DuckDB file with the same rows: first with no page of the files in memory (cold), then the
  median of five (warm). Answers must be equal.

The last line is one JSON object.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from rig import questions, rows
from rig.environments import VERSIONS, Absent, environment
from rig.processes import end_in_order

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.spool.batch import SCHEMA, record_batch
from loopline.adapters.spool.keeping import Keeper
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.manifest import SqlManifest
from loopline.adapters.system.clock import SystemClock
from loopline.records.prediction import Prediction
from loopline.records.settings import CaptureSettings

SIZES = {100: 200, 1_000: 60, 10_000: 12}
"""Rows of a commit, and how many commits are one measurement."""
WRITERS = ("ours", "duckdb", "delta", "delta_plain")
COMMIT_ROWS, WARM, MEASURED = 100, 200, 1_000
KEEP_SECONDS = 1.0
"""The recorder's rest between two looks of the keeper."""
RIVALS = Path(__file__).parent / "rivals"


class Rooms(NamedTuple):
    """A log, and what keeps it."""

    log: SpoolLog
    manifest: SqlManifest
    objects: FileObjects
    keeper: Keeper


@contextmanager
def opened(root: Path) -> Iterator[Rooms]:
    """The log in this folder, as ``loopline up`` opens it."""
    database = open_database(f"sqlite:///{root}/state.db")
    manifest, objects = SqlManifest(database), FileObjects(root / "objects")
    log = SpoolLog(root / "spool.db", loop=rows.LOOP, manifest=manifest, objects=objects)
    keeper = Keeper(log, manifest=manifest, objects=objects, settings=CaptureSettings(), clock=SystemClock())
    try:
        yield Rooms(log, manifest, objects, keeper)
    finally:
        log.close()
        database.dispose()


class Run(NamedTuple):
    """One writer's commits of one size."""

    rows_per_s: float
    bytes_per_row: float


def our_appends(batches: Sequence[Sequence[Prediction]], folder: Path) -> Run:
    """Records into our log."""
    count = sum(map(len, batches))
    with opened(folder) as rooms:
        began = time.perf_counter()
        for batch in batches:
            rooms.log.append(batch)
        elapsed = time.perf_counter() - began
        assert rooms.log.end() == count
    return Run(count / elapsed, size_of(folder) / count)


def duckdb_appends(batches: Sequence[pa.Table], folder: Path) -> Run:
    """Arrow tables into a plain DuckDB file, a transaction each."""
    count = sum(map(len, batches))
    connection = duckdb.connect(str(folder / "plain.duckdb"))
    connection.register("empty", SCHEMA.empty_table())
    connection.execute("CREATE TABLE stored AS SELECT * FROM empty")
    began = time.perf_counter()
    for batch in batches:
        connection.register("batch", batch)
        connection.execute("INSERT INTO stored SELECT * FROM batch")
    elapsed = time.perf_counter() - began
    assert connection.execute("SELECT count(*) FROM stored").fetchone() == (count,)
    connection.close()
    return Run(count / elapsed, size_of(folder) / count)


def delta_appends(file: Path, folder: Path, *, size: int, commits: int, setting: str) -> Run:
    """Arrow tables into a Delta table, in its own environment. Raises Absent."""
    order = [environment("deltalake") / "python", RIVALS / "delta_appends.py", file, folder / "delta"]
    done = subprocess.run(
        [*map(str, order), str(size), str(commits), setting], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise Absent((done.stderr.strip().splitlines() or ["it failed"])[-1][:300])
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["rows"] == size * commits
    return Run(told["rows_per_s"], told["bytes_per_row"])


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Source(NamedTuple):
    """The rows of the appends, in the form that each writer takes."""

    records: list[Prediction]
    arrow: pa.Table
    file: Path


def source(root: Path) -> Source:
    """As many rows as the largest measurement takes."""
    records = rows.predictions(max(size * commits for size, commits in SIZES.items()))
    arrow, file = pa.Table.from_batches([record_batch(records)]), root / "rows.arrow"
    with pa.ipc.new_file(str(file), arrow.schema) as writer:
        writer.write_table(arrow)
    return Source(records, arrow, file)


def written(name: str, source: Source, folder: Path, *, size: int) -> Run:
    """One measurement. Raises Absent."""
    commits = SIZES[size]
    starts = range(0, size * commits, size)
    if name == "ours":
        return our_appends([source.records[start : start + size] for start in starts], folder)
    if name == "duckdb":
        return duckdb_appends([source.arrow.slice(start, size) for start in starts], folder)
    setting = "best" if name == "delta" else "plain"
    return delta_appends(source.file, folder, size=size, commits=commits, setting=setting)


def appends(root: Path, *, rounds: int) -> dict[str, Any]:
    """Every writer with every size of commit, in turns."""
    rowset = source(root)
    found: dict[str, dict[int, list[Run]]] = {}
    absent: dict[str, str] = {}
    for turn, size, name in itertools.product(range(rounds), SIZES, WRITERS):
        if name in absent:
            continue
        with tempfile.TemporaryDirectory(dir=root) as folder:
            try:
                run = written(name, rowset, Path(folder), size=size)
            except Absent as error:
                absent[name] = str(error)
                print(f"{name} is left out: {error}", flush=True)
                continue
        found.setdefault(name, {}).setdefault(size, []).append(run)
        print(f"round {turn + 1}  {name:12} {size:6} rows a commit {run.rows_per_s:10,.0f} rows/s", flush=True)

    def rates(name: str) -> dict[str, int] | None:
        runs = found.get(name)
        return runs and {str(size): round(median(run.rows_per_s for run in each)) for size, each in runs.items()}

    def ratio(name: str) -> float | None:
        ours, theirs = rates("ours"), rates(name)
        return round(ours["100"] / theirs["100"], 2) if ours and theirs else None

    return {
        "rows_per_s": {name: rates(name) for name in WRITERS},
        "ratio_vs_delta": ratio("delta"),
        "ratio_vs_delta_plain": ratio("delta_plain"),
        "bytes_per_row_unsealed": {name: round(runs[100][0].bytes_per_row, 1) for name, runs in found.items()},
        "absent": absent,
    }


def age(root: Path, *, commits: int) -> dict[str, Any]:
    """Whether the last commits are as quick as the first, and how small their rows lie once they are sealed."""
    seconds = np.empty(commits)
    stop = Event()
    with opened(root) as rooms:
        told: list[str] = []

        def keep() -> None:
            while not stop.wait(KEEP_SECONDS):
                told.extend(rooms.keeper.look())

        keeping = Thread(target=keep, daemon=True)
        keeping.start()
        made: list[Prediction] = []
        for commit in range(commits):
            if not made:
                made = rows.predictions(100 * COMMIT_ROWS, first=1 + commit * COMMIT_ROWS)
            batch, made = made[:COMMIT_ROWS], made[COMMIT_ROWS:]
            began = time.perf_counter()
            rooms.log.append(batch)
            seconds[commit] = time.perf_counter() - began
            if (commit + 1) % 5_000 == 0:
                print(f"{commit + 1} commits, {np.median(seconds[commit - 999 : commit + 1]) * 1e3:.2f} ms", flush=True)
        stop.set()
        keeping.join()
        assert rooms.log.end() == commits * COMMIT_ROWS
        segments = rooms.manifest.segments(rows.LOOP)
        sealed = sum(segment.rows for segment in segments)
        assert sealed >= 100_000 or commits < 1_000, f"nothing was sealed in the background: {told}"
        assert not rooms.keeper.trouble, rooms.keeper.trouble
    first, last = seconds[WARM : WARM + MEASURED], seconds[-MEASURED:]
    return {
        "last_over_first_commit": round(float(np.median(last) / np.median(first)), 3),
        "first_commit_ms": round(float(np.median(first)) * 1e3, 3),
        "last_commit_ms": round(float(np.median(last)) * 1e3, 3),
        "slowest_commit_ms": round(float(seconds[WARM:].max()) * 1e3, 1),
        "commits": commits,
        "segments": len(segments),
        "sealed_rows": sealed,
    }


def report(*, rounds: int, commits: int, held: int) -> dict[str, Any]:
    """The whole benchmark."""
    with tempfile.TemporaryDirectory(prefix="loopline-bench-") as folder:
        root = Path(folder)
        found = appends(root, rounds=rounds)
        (root / "age").mkdir()
        found |= age(root / "age", commits=commits)
        shutil.rmtree(root / "age")
        (root / "questions").mkdir()
        with opened(root / "questions") as rooms:
            asked = questions.asked(rooms.log, rooms.manifest, rooms.objects, root=root / "questions", held=held)
    sizes = found.pop("bytes_per_row_unsealed")
    return {
        "benchmark": "log",
        **found,
        "bytes_per_row": asked.pop("bytes_per_row") | {f"{name}_100_row_commits": size for name, size in sizes.items()},
        **asked,
        "versions": {"deltalake": VERSIONS["deltalake"][0], "duckdb": f"duckdb=={duckdb.__version__}"},
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--commits", type=int, default=20_000)
    options.add_argument("--rows", type=int, default=5_000_000)
    given = options.parse_args()
    end_in_order()
    print(json.dumps(report(rounds=given.rounds, commits=given.commits, held=given.rows)))
