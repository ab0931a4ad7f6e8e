"""Columns: what records become in them, and files that were written in older ones."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.spool.batch import SCHEMA, conformed, record_batch
from loopline.adapters.spool.batch import prediction as prediction_at
from loopline.errors import InvalidRecord, Unavailable
from loopline.ports.prediction_log import Appended
from loopline.records.ids import PredictionId
from loopline.records.predictions import Predictions
from loopline.testing.factories import NOW, prediction
from loopline.testing.prediction_log import a_day, with_everything

ADDED = {1: ("reason", "trace", "members", "embedding", "payload", "redacted", "segment"), 2: ("segment",)}
"""Columns that came after this format."""
OLD_TABLES = """
CREATE TABLE schemas (version INTEGER PRIMARY KEY, arrow BLOB NOT NULL);
CREATE TABLE batches (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, schema INTEGER NOT NULL,
    checksum BLOB NOT NULL, arrow BLOB NOT NULL);
CREATE TABLE ids (id TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tally (arm TEXT PRIMARY KEY, rows INTEGER NOT NULL) WITHOUT ROWID;
"""


def write_old_format(path, *batches, version=1):
    """A spool as an older version of the format has it."""
    schema = pa.schema([field for field in SCHEMA if field.name not in ADDED[version]])
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.executescript(OLD_TABLES + f"PRAGMA user_version = {version};")
        raw.execute("INSERT INTO schemas VALUES (?, ?)", (version, schema.serialize().to_pybytes()))
        first = 1
        for rows in batches:
            columns = record_batch(rows).select(schema.names)
            content = pa.record_batch(columns.columns, schema=schema).serialize().to_pybytes()
            if version > 1:
                content = len(content).to_bytes(8, "little") + pa.compress(content, codec="lz4", asbytes=True)
            row = (first, len(rows), version, blake3(content).digest(), content)
            raw.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", row)
            raw.executemany("INSERT INTO ids VALUES (?, ?)", [(row.id, first + i) for i, row in enumerate(rows)])
            raw.executemany(
                "INSERT INTO tally VALUES (?, 1) ON CONFLICT (arm) DO UPDATE SET rows = rows + 1",
                [(row.arm,) for row in rows],
            )
            first += len(rows)


@pytest.mark.parametrize("version", [1, 2])
def test_a_spool_of_an_older_format_is_read_appended_to_and_sealed(rooms, version):
    write_old_format(rooms.folder / "main.db", a_day()[:5], a_day()[5:], version=version)
    log = rooms.open()
    assert log.end() == 12
    assert [log.find(row.id) for row in a_day()] == a_day()
    before = log.tally()
    assert log.append([*a_day(), *with_everything()]) == Appended(stored=6, repeated=12)
    assert log.append(a_day()).stored == 0
    every = a_day() + with_everything()
    for rows in (7, 99, 99):
        assert [log.find(row.id) for row in every] == every
        assert log.scores(after=0, until=99).id.tolist() == [row.id for row in every]
        assert log.parts().tail.schema.names == [*SCHEMA.names, "position"]
        log.seal(now=NOW, rows=rows)
    assert log.waiting() == (19, 0)
    assert sum(log.tally().values()) == sum(before.values()) + 6


def test_a_damaged_batch_of_the_first_format_is_found(rooms):
    write_old_format(rooms.folder / "main.db", a_day()[:5], a_day()[5:])
    with closing(sqlite3.connect(rooms.folder / "main.db", isolation_level=None)) as raw:
        content = bytearray(raw.execute("SELECT arrow FROM batches WHERE first = 1").fetchone()[0])
        content[-9] ^= 4
        raw.execute("UPDATE batches SET arrow = ? WHERE first = 1", (bytes(content),))
    log = rooms.open()
    assert log.scores(after=0, until=99).position.tolist() == list(range(6, 13))
    with pytest.raises(Unavailable):
        log.find(PredictionId("p1"))


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
FLOATS = st.lists(st.floats(width=32), max_size=6).map(lambda found: np.array(found, "<f4").tobytes())
MOMENTS = st.datetimes(datetime(1600, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
PREDICTIONS = st.builds(
    lambda given, probabilities: msgspec.structs.replace(prediction(), **given, **probabilities),
    st.fixed_dictionaries({
        "id": TEXT, "at": MOMENTS, "group": TEXT, "inputs": st.binary(max_size=30), "reason": TEXT, "trace": TEXT,
        "segment": TEXT,
        "members": FLOATS, "embedding": FLOATS, "payload": TEXT, "redacted": st.booleans(),
        "latency_us": st.integers(0, 2**63 - 1), "arm": st.sampled_from(["incumbent", "canary", "shadow", "direct"]),
        "sampled": st.floats(0.001, 1),
    }),
    st.sampled_from([
        {"probabilities": (0.25, 0.75)},
        {"probabilities": (0.1, 0.2, 0.7)},
        {"probabilities": (), "failure": "no"},
    ]),
)  # fmt: skip


@given(st.lists(PREDICTIONS, max_size=8))
def test_a_batch_gives_back_every_record_bit_for_bit(predictions):
    batch = record_batch(predictions)
    assert batch.schema.equals(SCHEMA)
    batch.validate(full=True)
    assert [prediction_at(batch, row) for row in range(batch.num_rows)] == predictions
    expected = np.array([max(row.probabilities, default=0) for row in predictions], np.float32)
    np.testing.assert_array_equal(batch.column("top").to_numpy(), expected)


@given(st.lists(PREDICTIONS, max_size=8))
def test_columns_are_the_very_sequence_that_they_were_made_of(rows):
    columns = Predictions.of(rows)
    assert (columns.rows(), list(columns), len(columns)) == (tuple(rows), rows, len(rows))
    assert Predictions.of(columns) is columns


def test_members_and_embeddings_are_numbers_in_their_columns():
    row = prediction(embedding=np.array([1.5, -2.0], "<f4").tobytes(), members=np.zeros((2, 3), "<f4").tobytes())
    batch = record_batch([prediction("a"), row])
    assert batch.column("embedding").to_pylist() == [[], [1.5, -2.0]]
    assert batch.column("members").to_pylist() == [[], [0.0] * 6]
    assert str(batch.schema.field("members").type.value_type) == "float"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"embedding": b"12345"}, "embedding of 5 bytes, which is no row of float32"),
        ({"members": b"123"}, "members of 3 bytes"),
        ({"latency_us": 2**70}, "a value that is not storable"),
        ({"group": "\ud800"}, "a value that is not storable"),
        ({"segment": "\ud800"}, "a value that is not storable"),
        ({"probabilities": ("much", "little")}, "a value that is not storable"),
    ],
)
def test_a_value_that_has_no_place_in_its_column_is_refused_in_words(changes, found):
    row = prediction()
    for name, value in changes.items():
        msgspec.structs.force_setattr(row, name, value)
    with pytest.raises(InvalidRecord, match=found):
        record_batch([prediction("a"), row])


def test_a_batch_of_today_is_not_copied():
    batch = record_batch([prediction(at=NOW + timedelta(days=1))])
    assert conformed(batch) is batch
