"""A selection from an archive: 10,000 diverse samples of 50,000,000 rows in sealed segments, and again after one more.

The script writes the segments with the product's own packing (half a million rows each, embeddings of 16 numbers,
zstd), a fifth of the rows repeat an earlier input, a twentieth is of the reserve. Each run is a process of its own,
which opens the log as ``loopline up`` does and selects with ``cluster-margin.v1`` on two threads:

- ``seconds``, ``cpu_seconds``, ``peak_mb`` (the most memory that the process had resident, pages of files included);
- ``incremental_seconds``, ``incremental_peak_mb``: after one more segment of 100,000 rows; ``incremental_ratio`` is
  over the first run's seconds;
- ``pass_seconds`` and ``look_seconds`` of each: its part for passes over the pool, and for single rows (the audit's).

The last line is one JSON object.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from blake3 import blake3
from numpy.typing import NDArray

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.spool.parquet import COLUMNS, FAST, pack
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.manifest import SqlManifest
from loopline.records.cycle import Cycle
from loopline.records.ids import Digest, LoopName, VersionName
from loopline.records.segment import Segment
from loopline.records.settings import Settings
from loopline.records.signature import Signature

LOOP = LoopName("archive")
LABELS = ("low", "middle", "high")
WIDTH = 8
SIGNATURE = Signature(input="tabular", width=WIDTH, labels=LABELS)
BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
DIMENSIONS = 16
SEGMENT_ROWS, NEW_ROWS = 500_000, 100_000
FIRST = ("seconds", "cpu_seconds", "peak_mb", "pass_seconds", "look_seconds", "distinct", "batch", "clusters")
REPEATED, RESERVE = 5, 20
"""Every fifth row repeats an earlier one; every twentieth is of the reserve."""
HEX = np.array([f"{byte:02x}".encode() for byte in range(256)], "S2").view(np.uint8).reshape(256, 2)
Bytes = NDArray[np.uint8]


def mixed(numbers: NDArray[np.uint64], salt: int) -> NDArray[np.uint64]:
    """SplitMix64 of each number."""
    word = numbers + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    word = (word ^ word >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ word >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return word ^ word >> np.uint64(31)


def texts(letters: Bytes, kind: pa.DataType) -> pa.Array:
    """Texts of one length, (n, length), as a column."""
    count, length = letters.shape
    ends = np.arange(0, (count + 1) * length, length, dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(letters))]
    return pa.Array.from_buffers(kind, count, buffers)


def written(chance: NDArray[np.uint64]) -> Bytes:
    """Rows of numbers as the log holds them, ``[-12.5,134.5,...]``, five letters each, (n, letters)."""
    row = b"[" + b",".join([b"112.5"] * WIDTH) + b"]"
    letters = np.frombuffer(row, np.uint8)[None].repeat(len(chance), axis=0)
    starts = 1 + 6 * np.arange(WIDTH)
    letters[:, starts] = np.where(chance & np.uint64(1), ord("-"), ord("1"))
    letters[:, starts + 1] = (chance >> np.uint64(8)) % np.uint64(9) + np.uint64(ord("1"))
    letters[:, starts + 2] = (chance >> np.uint64(24)) % np.uint64(10) + np.uint64(ord("0"))
    return letters


def hexed(words: list[NDArray[np.uint64]]) -> Bytes:
    """Hex digits of 64-bit numbers side by side, (n, 16 * words)."""
    return HEX[np.stack(words, axis=1).astype(">u8").view(np.uint8)].reshape(len(words[0]), -1)


def table(places: NDArray[np.int64]) -> pa.Table:
    """Rows of the log at these places of the archive."""
    count = len(places)
    rng = np.random.default_rng(int(places[0]))
    is_again = (places % REPEATED == 0) & (places > 0)
    sample = np.where(is_again, (rng.random(count) * places).astype(np.int64), places).astype(np.uint64)
    chance = [mixed(sample, salt) for salt in range(1, 5)]
    at_us = int(BEGAN.timestamp() * 1e6) + places * 1_000
    names = hexed([(at_us // 1_000).astype(np.uint64) << np.uint64(16) | np.uint64(0x7000), mixed(sample, 9)])
    ids = np.full((count, 36), ord("-"), np.uint8)
    ids[:, [i for i in range(36) if i not in (8, 13, 18, 23)]] = names
    ids[:, -8:] = hexed([places.astype(np.uint64)])[:, -8:]
    inputs = written(np.stack([mixed(sample, salt) for salt in range(11, 11 + WIDTH)], axis=1))
    p = np.random.default_rng(int(places[0]) + 1).dirichlet((0.6, 0.6, 0.6), size=count)
    order = np.sort(p, axis=1)
    # Points around 2,000 centres, so that there is something to be diverse about.
    centres = np.random.default_rng(0).standard_normal((2_000, DIMENSIONS)).astype(np.float32)
    vectors = centres[(chance[1] % np.uint64(2_000)).astype(np.int64)] + 0.3 * rng.standard_normal(
        (count, DIMENSIONS), np.float32
    )
    columns: dict[str, Any] = {
        "id": texts(ids, pa.string()),
        "at_us": at_us,
        "model": same("v1", count),
        "loop": same(LOOP, count),
        "artifact": same("a" * 64, count),
        "signature": same(SIGNATURE.digest, count),
        "arm": same("incumbent", count),
        "inputs": texts(inputs, pa.binary()),
        "content": texts(hexed(chance), pa.string()),
        "group": texts(hexed(chance)[:, :32], pa.string()),
        "role": np.where(chance[3] % np.uint64(RESERVE) == 0, "reserve", "loop"),
        "probabilities": lists(p),
        "label": pa.array(LABELS).take(pa.array(p.argmax(axis=1))),
        "margin": order[:, 2] - order[:, 1],
        "entropy": -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1),
        "latency_us": rng.integers(100, 2_000, count),
        "sampled": np.ones(count),
        "top": order[:, 2].astype(np.float32),
        "members": lists(np.empty((count, 0), np.float32)),
        "embedding": lists(vectors),
        "redacted": np.zeros(count, bool),
        "offset": places - places[0],
    }
    return pa.table([pa.array(columns.get(each.name, same("", count)), each.type) for each in COLUMNS], schema=COLUMNS)


def same(value: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)


def lists(values: NDArray[Any]) -> pa.Array:
    """Each row's numbers."""
    ends = (
        np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
        if values.size
        else np.zeros(len(values) + 1, np.int32)
    )
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values.ravel()))


class Archive:
    """Segments in a folder, and the manifest that names them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects, self.manifest = (
            FileObjects(root / "objects"),
            SqlManifest(open_database(f"sqlite:///{root}/s.db")),
        )
        self.end, self.size, self.max_id = 0, 0, ""

    def seal(self, count: int) -> None:
        """One more segment."""
        packed = pack([table(np.arange(self.end, self.end + count))], level=FAST, max_id=self.max_id)
        self.objects.put(packed.content)
        self.manifest.add(
            Segment(
                digest=Digest(blake3(packed.content).hexdigest()), loop=LOOP, lane="main", lane_first=self.end + 1,
                first=self.end + 1, rows=count, size=len(packed.content), tier="hot", sealed_at=BEGAN,
                **{name: value for name, value in packed._asdict().items() if name != "content"},
            )
        )  # fmt: skip
        self.end, self.size, self.max_id = self.end + count, self.size + len(packed.content), packed.max_id


class Timed:
    """A pool, and how long passes over it and looks at single rows of it took."""

    def __init__(self, pool: Any) -> None:
        self.pool, self.passes, self.looks = pool, 0.0, 0.0

    def survey(self, sift: Any, **window: int) -> Any:
        began = time.perf_counter()
        found = list(self.pool.survey(sift, **window))
        self.passes += time.perf_counter() - began
        return iter(found)

    def at(self, positions: Any) -> Any:
        began = time.perf_counter()
        found = self.pool.at(positions)
        self.looks += time.perf_counter() - began
        return found


def selected(root: Path, *, budget: int) -> dict[str, Any]:
    """One run: the log is opened, and the batch is selected from all of it."""
    from loopline.adapters.spool.log import SpoolLog
    from loopline.adapters.threads.fleet import ThreadFleet
    from loopline.select.stage import select
    from loopline.select.strategies import strategy_of

    began, cpu = time.perf_counter(), time.process_time()
    manifest, objects = SqlManifest(open_database(f"sqlite:///{root}/s.db")), FileObjects(root / "objects")
    log = SpoolLog(root / "spool.db", loop=LOOP, manifest=manifest, objects=objects, fleet=ThreadFleet(2))
    pool = Timed(log)
    cycle = Cycle(
        loop=LOOP, number=1, phase="open", opened_at=BEGAN, closed_at=None, after=0, until=log.end(), budget=budget,
        explore=0.1, seed=7, reason="", outcome="", outcome_reason="",
    )  # fmt: skip
    settings = Settings(name=LOOP, signature=SIGNATURE, folder=".")
    chosen = select(
        cycle, pool=pool, taken=frozenset(), model=VersionName("v1"), strategy=strategy_of("cluster-margin.v1"),
        settings=settings,
    )  # fmt: skip
    log.close()
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "pass_seconds": pool.passes,
        "look_seconds": pool.looks,
        "peak_mb": peak_mb(),
        "rows": chosen.until,
        "distinct": chosen.pool_distinct,
        "batch": len(chosen.candidates),
        "clusters": chosen.clusters,
        "embedding": chosen.embedding,
    }


def peak_mb() -> float:
    """The most memory that this process had resident; unlike ``ru_maxrss`` it says nothing of who started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1_024


def run(root: Path, *, budget: int) -> dict[str, Any]:
    """One run in a process of its own."""
    command = [sys.executable, __file__, "--one-run", str(root), "--budget", str(budget)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--budget", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=None, help="where to write the archive; removed afterwards")
    parser.add_argument("--one-run", type=Path, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one_run:
        print(json.dumps(selected(options.one_run, budget=options.budget)))
        return
    root = Path(tempfile.mkdtemp(prefix="archive-", dir=options.folder))
    try:
        began = time.perf_counter()
        archive = Archive(root)
        while archive.end < options.rows:
            archive.seal(min(SEGMENT_ROWS, options.rows - archive.end))
            print(f"{archive.end:,} rows written", flush=True)
        written = time.perf_counter() - began
        os.sync()
        first = run(root, budget=options.budget)
        print(first, flush=True)
        archive.seal(NEW_ROWS)
        second = run(root, budget=options.budget)
        print(second, flush=True)
        kept = sum(path.stat().st_size for path in (root / "sketches").glob("*.arrow"))
        told = {
            "rows": options.rows,
            "archive_mb": archive.size / 1e6,
            "write_seconds": written,
            **{name: first[name] for name in FIRST},
            "incremental_pass_seconds": second["pass_seconds"],
            "incremental_look_seconds": second["look_seconds"],
            "incremental_seconds": second["seconds"],
            "incremental_cpu_seconds": second["cpu_seconds"],
            "incremental_peak_mb": second["peak_mb"],
            "incremental_ratio": second["seconds"] / first["seconds"],
            "sketches_mb": kept / 1e6,
        }
        print(json.dumps({name: round(value, 3) for name, value in told.items()}))
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
