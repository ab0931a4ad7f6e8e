"""Questions to a log of a week, and to a plain DuckDB file with the same rows."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.memory.outcomes import MemoryOutcomes
from loopline.adapters.spool.batch import SCHEMA
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.spool.parquet import COLUMNS, FAST, THOROUGH, pack
from loopline.adapters.sql.manifest import SqlManifest
from loopline.apps.query import ask
from loopline.records.ids import Digest
from loopline.records.segment import Segment
from loopline.records.settings import Settings
from rig import rows

WEEK_US = 7 * 86_400 * 1_000_000
SEGMENT_ROWS = 100_000
EMBEDDINGS = 50_000
TIMES = 5
MOST_ROWS, SECONDS = 1_000_000, 120.0


class House(NamedTuple):
    """What a query looks into."""

    settings: Settings
    log: SpoolLog
    outcomes: MemoryOutcomes


def asked(log: SpoolLog, manifest: SqlManifest, objects: FileObjects, *, root: Path, held: int) -> dict[str, Any]:
    """Milliseconds by question, ours and the plain file's, cold and warm, and bytes a row."""
    step = WEEK_US // held
    plain = duckdb.connect(str(root / "plain.duckdb"), config={"threads": "2"})
    sizes, one = filled(manifest, objects, plain=plain, held=held, step_us=step)
    log.sealer.settle()
    assert log.end() == held
    plain.execute("CHECKPOINT")
    plain.close()
    start = int(rows.BEGAN.timestamp() * 1e6)
    end, width = start + held * step, EMBEDDINGS * rows.EMBEDDED * step * rows.RESERVE // (rows.RESERVE - 4)
    wanted = {
        "top_k_of_the_last_hour": f"SELECT id, margin FROM predictions WHERE at_us > {end - 3_600_000_000} "
        "ORDER BY margin, id LIMIT 1000",
        "embeddings_50000": f"SELECT id, embedding FROM predictions WHERE at_us BETWEEN {end - 2 * width} AND {end} "
        f"AND len(embedding) > 0 ORDER BY at_us LIMIT {EMBEDDINGS}",
        "one_id": f"SELECT id, label, inputs, time FROM predictions WHERE id = '{one}'",
        "group_by": "SELECT model, arm, time::DATE AS day, count(*) AS rows, round(avg(margin), 6) AS margin "
        "FROM predictions GROUP BY ALL ORDER BY ALL",
    }
    house = House(Settings(name=rows.LOOP, signature=rows.SIGNATURE, folder=str(root)), log, MemoryOutcomes())
    files = [*(root / "objects").rglob("*"), root / "plain.duckdb"]
    table = {}
    for name, sql in wanted.items():
        table[name] = compared(sql, house=house, root=root, files=[file for file in files if file.is_file()])
        told = "  ".join(f"{key} {value}" for key, value in table[name].items())
        print(f"{name:24} {told}", flush=True)
    sizes["plain_duckdb"] = round((root / "plain.duckdb").stat().st_size / held, 1)
    return {"queries_ms": table, "query_rows": held, "bytes_per_row": sizes}


def filled(
    manifest: SqlManifest, objects: FileObjects, *, plain: duckdb.DuckDBPyConnection, held: int, step_us: int
) -> tuple[dict[str, float], str]:
    """Both stores with the same rows: sizes of ours by tier, and the id of a row in the middle."""
    plain.execute("SET TimeZone = 'UTC'")
    plain.register("empty", SCHEMA.empty_table())
    plain.execute("CREATE TABLE stored AS SELECT * FROM empty")
    plain.execute(
        "CREATE VIEW predictions AS SELECT *, make_timestamptz(at_us) AS time FROM stored WHERE role = 'loop'"
    )
    first, size, max_id, one, archived = 1, 0, "", "", 0
    for table in rows.tables(held, size=SEGMENT_ROWS, step_us=step_us):
        offset = pa.array(range(len(table)), pa.int32())
        packed = pack([table.append_column(COLUMNS.field("offset"), offset)], level=FAST, max_id=max_id)
        if first == 1:
            whole = [table.append_column(COLUMNS.field("offset"), offset)]
            archived = len(pack(whole, level=THOROUGH, max_id=max_id).content) / len(table)
        digest = Digest(blake3(packed.content).hexdigest())
        objects.put(packed.content)
        manifest.add(
            Segment(
                digest=digest, loop=rows.LOOP, lane="main", lane_first=first, first=first, rows=len(table),
                size=len(packed.content), min_at_us=packed.min_at_us, max_at_us=packed.max_at_us, min_id=packed.min_id,
                max_id=packed.max_id, counts=packed.counts, arms=packed.arms, tier="hot", sealed_at=rows.BEGAN,
                ids=packed.ids,
            )
        )  # fmt: skip
        plain.register("batch", table)
        plain.execute("INSERT INTO stored SELECT * FROM batch")
        if first <= held // 2 < first + len(table):
            loops = table.filter(pc.equal(table["role"], "loop"))
            one = loops["id"][len(loops) * (held // 2 - first) // len(table)].as_py()
        first, size, max_id = first + len(table), size + len(packed.content), packed.max_id
        if first % 1_000_000 == 1:
            print(f"{first - 1:,} rows are sealed", flush=True)
    return {"sealed": round(size / held, 1), "archived": round(archived, 1)}, one


def compared(sql: str, *, house: House, root: Path, files: list[Path]) -> dict[str, float]:
    """Milliseconds of both, cold and warm. Raises AssertionError when they answer differently."""
    ours = lambda: ask(house, sql, rows=MOST_ROWS, seconds=SECONDS).table  # noqa: E731
    found: dict[str, list[float]] = {"cold_ms": [], "warm_ms": [], "plain_cold_ms": [], "plain_warm_ms": []}
    forget(files)
    cold, answer = timed(ours)
    found["cold_ms"].append(cold)
    forget(files)
    plain = duckdb.connect(str(root / "plain.duckdb"), read_only=True, config={"threads": "2"})
    plain.execute("SET TimeZone = 'UTC'")
    theirs = lambda: plain.sql(sql).to_arrow_table()  # noqa: E731
    cold, expected = timed(theirs)
    found["plain_cold_ms"].append(cold)
    assert answer.num_rows == expected.num_rows > 0, f"{answer.num_rows} rows, not {expected.num_rows}: {sql}"
    assert answer.to_pylist() == expected.to_pylist(), f"other rows: {sql}"
    for _ in range(TIMES):
        found["warm_ms"].append(timed(ours)[0])
        found["plain_warm_ms"].append(timed(theirs)[0])
    plain.close()
    ms = {name: round(median(values), 1) for name, values in found.items()}
    return ms | {
        "cold_ratio": round(median(found["cold_ms"]) / median(found["plain_cold_ms"]), 2),
        "warm_ratio": round(median(found["warm_ms"]) / median(found["plain_warm_ms"]), 2),
    }


def timed(act: Callable[[], pa.Table]) -> tuple[float, pa.Table]:
    """Milliseconds, and what came of it."""
    began = time.perf_counter()
    answer = act()
    return (time.perf_counter() - began) * 1e3, answer


def forget(files: list[Path]) -> None:
    """Have the kernel drop what it holds of these files; what is not yet on the disk is written first."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
