"""Appends to a Delta table, one commit a batch: ``delta_appends.py ROWS.arrow FOLDER SIZE COUNT SETTING``.

``best``: the table is opened once, without checkpoints and without statistics of columns; ``plain``: as its documents
show it, by address. Prints one JSON object: rows a second, rows found afterwards, bytes a row on the disk.
"""

import json
import sys
import time
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, PostCommitHookProperties, write_deltalake


def main(source: str, folder: str, size: int, count: int, setting: str) -> None:
    rows = pa.ipc.open_file(source).read_all()
    batches = [rows.slice(start, size).combine_chunks() for start in range(0, size * count, size)]
    if setting == "best":
        table = DeltaTable.create(folder, rows.schema, configuration={"delta.dataSkippingNumIndexedCols": "0"})
        hooks = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
        began = time.perf_counter()
        for batch in batches:
            write_deltalake(table, batch, mode="append", post_commithook_properties=hooks)
    else:
        began = time.perf_counter()
        for batch in batches:
            write_deltalake(folder, batch, mode="append")
    elapsed = time.perf_counter() - began
    found = DeltaTable(folder).to_pyarrow_dataset().count_rows()
    written = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    print(json.dumps({"rows_per_s": size * count / elapsed, "rows": found, "bytes_per_row": written / found}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
