"""Files that are odd: of other makers, broken, or larger than they look."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
from tests.unit.apps.test_importing import Loop, P, served, write

from loopline.apps.importing import files
from loopline.apps.importing.intake import Account
from loopline.testing.factories import NOW


def test_times_in_nanoseconds_as_pandas_writes_them_are_read(tmp_path):
    at = pa.array([1_767_603_600_000_000_001, 1_767_603_600_000_000_999], pa.timestamp("ns", "UTC"))
    pq.write_table(
        pa.table({"id": ["p1", "p2"], "text": ["a", "b"], "probabilities": [P, P], "at": at}), tmp_path / "n.parquet"
    )
    loop = Loop()
    assert loop.bring(tmp_path / "n.parquet", model="v1") == (
        Account(files=1, read=2, stored=2, repeated=0, sampled_out=0, bad=0),
        [],
    )
    assert {row.at for row in loop.stored().values()} == {NOW}


def test_rows_that_only_look_like_our_log_are_bad_rows_and_end_nothing(tmp_path):
    columns = {
        "id": ["p1", "p2", "p3"],
        "model": ["v1"] * 3,
        "arm": ["incumbent"] * 3,
        "at_us": [1_767_603_600_000_000, None, 1_767_603_600_000_000],
        "inputs": [b'"a"', b'"b"', None],
        "probabilities": [P] * 3,
    }
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    brought = Loop().bring(tmp_path / "log.parquet")
    assert (brought.account.stored, brought.account.bad) == (1, 2)
    assert [told.partition(":")[0] for told in brought.bad] == ["log.parquet row 2", "log.parquet row 3"]
    assert all(told.endswith(", expected a row as our log holds it") for told in brought.bad)
    pq.write_table(pa.table({name: cells for name, cells in columns.items() if name != "id"}), tmp_path / "log.parquet")
    assert Loop().bring(tmp_path / "log.parquet").account.bad == 3


def test_a_file_of_bad_rows_only_is_counted_whole(tmp_path):
    path = write(tmp_path / "served.jsonl", *[served(id=None, model="")] * 2_500, served())
    brought = Loop().bring(path)
    assert (brought.account.read, brought.account.stored, brought.account.bad) == (2_501, 1, 2_500)
    assert len(brought.bad) == 2_500


def test_a_packed_json_file_is_not_unpacked_without_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WHOLE_BYTES", 1_000)
    path = tmp_path / "served.json.gz"
    path.write_bytes(gzip.compress(json.dumps([served(id=f"p{n}") for n in range(100)]).encode()))
    assert Loop().bring(path).bad == ["served.json.gz line 1: a JSON list, expected an object"]
