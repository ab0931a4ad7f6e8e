"""A bit that flips is found, told, and costs no more than the rows it lies in."""

import os
import random
import sqlite3
from contextlib import closing, suppress

import pyarrow.parquet as pq
import pytest

from loopline.adapters.spool.log import SpoolLog
from loopline.errors import NotFound, Unavailable
from loopline.ports.prediction_log import Appended
from loopline.records.ids import PredictionId
from loopline.testing.factories import NOW, prediction


def rows(start, stop):
    return [prediction(f"p{i:03}", f"row {i}", role="reserve" if i % 5 == 0 else "loop") for i in range(start, stop)]


def filled(rooms, batches=4):
    log = rooms.open()
    for start in range(0, batches * 10, 10):
        log.append(rows(start, start + 10))
    log.close()
    return rooms


def flip(rooms, first, *, column="arrow"):
    """Change one bit of the batch that begins here."""
    with closing(sqlite3.connect(rooms.folder / "main.db", isolation_level=None)) as raw:
        content = bytearray(raw.execute(f"SELECT {column} FROM batches WHERE first = ?", (first,)).fetchone()[0])
        content[len(content) // 2] ^= 1
        raw.execute(f"UPDATE batches SET {column} = ? WHERE first = ?", (bytes(content), first))


def flip_file(path, place=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 3 if place is None else place] ^= 1
    path.write_bytes(content)


def names(*spans):
    return [f"p{i:03}" for start, stop in spans for i in range(start, stop)]


def ids(log):
    return log.scores(after=0, until=99).id.tolist()


@pytest.mark.parametrize("column", ["arrow", "checksum"])
def test_a_damaged_batch_is_told_and_left_out_and_the_rest_goes_on(rooms, column):
    filled(rooms)
    flip(rooms, 11, column=column)
    log = rooms.open()
    assert log.damage() == ()  # nobody has looked yet
    assert ids(log) == names((0, 10), (20, 40))
    assert log.scores(after=0, until=99).position.tolist() == [*range(1, 11), *range(21, 41)]
    assert "p011" not in log.rows(after=0, until=99).id.tolist()
    assert [row.id for row in log.sealed(after=0, until=99)] == ["p000", "p005", *names((20, 40))[::5]]
    assert len(log.parts().tail) == 30
    (told,) = log.damage()
    assert "batch 11 (rows 11 to 20): checksum " in told
    assert told.endswith("the disk changed it: its rows are left out, and its bytes are kept in the table 'damaged'")
    with pytest.raises(Unavailable, match=r"prediction p011: it lies in a damaged batch \(prediction log .* batch 11"):
        log.find(PredictionId("p011"))
    assert log.find(PredictionId("p020")).inputs == b'"row 20"'
    assert log.end() == 40
    assert log.append(rows(15, 45)) == Appended(stored=5, repeated=25)
    assert ids(log)[-1] == "p044"
    assert rooms.open().damage() == (told,)


@pytest.mark.parametrize("damaged", [(1,), (11,), (31,), (1, 11, 31), (11, 21)])
def test_sealing_leaves_damaged_batches_out_and_keeps_the_positions(rooms, damaged):
    filled(rooms)
    for first in damaged:
        flip(rooms, first)
    log = rooms.open()
    whole = [(start, start + 10) for start in range(0, 40, 10) if start + 1 not in damaged]
    sealed = log.seal(now=NOW, rows=40)
    assert (sealed.first, sealed.rows, sum(sealed.arms.values())) == (1, 40, 10 * len(whole))
    assert ids(log) == names(*whole)
    assert log.scores(after=0, until=99).position.tolist() == [i + 1 for span in whole for i in range(*span)]
    assert (log.end(), len(log.damage()), log.waiting()) == (40, len(damaged), (41, 0))
    for first in damaged:
        with pytest.raises(Unavailable, match="it lies in a damaged batch"):
            log.find(PredictionId(f"p{first:03}"))
    assert log.append(rows(0, 50)) == Appended(stored=10, repeated=40)
    with closing(sqlite3.connect(rooms.folder / "main.db")) as raw:
        kept = raw.execute("SELECT first, count, length(arrow) > 100 FROM damaged ORDER BY first").fetchall()
    assert kept == [(first, 10, 1) for first in damaged]


def test_a_tail_of_damaged_batches_waits_for_a_healthy_one(rooms):
    filled(rooms, batches=2)
    flip(rooms, 1)
    flip(rooms, 11)
    log = rooms.open()
    assert log.seal(now=NOW, rows=99) is None
    assert (log.end(), ids(log), len(log.damage())) == (20, [], 2)
    log.append(rows(20, 30))
    assert log.seal(now=NOW, rows=5).rows == 30
    assert ids(log) == names((20, 30))


def test_a_batch_whose_rows_are_not_as_many_as_noted_is_damaged(rooms):
    filled(rooms, batches=1)
    with closing(sqlite3.connect(rooms.folder / "main.db", isolation_level=None)) as raw:
        raw.execute("UPDATE batches SET count = 11")
    log = rooms.open()
    assert ids(log) == []
    assert "batch 1 (rows 1 to 11): 10 rows found, 11 expected" in log.damage()[0]


def test_a_batch_in_a_schema_that_is_not_there_is_damaged(rooms):
    filled(rooms, batches=2)
    with closing(sqlite3.connect(rooms.folder / "main.db", isolation_level=None)) as raw:
        raw.execute("UPDATE batches SET schema = 7 WHERE first = 1")
    log = rooms.open()
    assert ids(log) == names((10, 20))
    assert "schema 7 found, none such is known" in log.damage()[0]


@pytest.mark.parametrize("is_open", [False, True])
def test_a_damaged_segment_is_told_and_left_out_and_the_rest_goes_on(rooms, is_open):
    filled(rooms, batches=6)
    log = rooms.open()
    segments = [log.seal(now=NOW, rows=20) for _ in range(2)]
    for segment in segments:  # long ago: a store that has seen a file's time and size looks at its bytes no more
        os.utime(rooms.file(segment), (1_000_000_000, 1_000_000_000))
    if is_open:  # it was read, and looked whole, before the bit flipped
        assert ids(log) == names((0, 60))
        log.find(PredictionId("p003"))
    place = pq.read_metadata(rooms.file(segments[0])).row_group(0).column(0).data_page_offset + 40
    flip_file(rooms.file(segments[0]), place)
    os.utime(rooms.file(segments[0]), (1_000_000_000, 1_000_000_000))  # as a disk does it: no time stamp tells
    log = log if is_open else rooms.open()
    rooms.objects._verified = rooms.objects._verified if is_open else {}
    assert ids(log) == names((20, 60))
    (told,) = log.damage()
    assert told.startswith(
        f"prediction log, segment {segments[0].digest[:12]} (rows 1 to 20): what is stored no longer"
    )
    assert told.endswith(f"its rows are left out: put object {segments[0].digest} back from a copy and start again")
    with pytest.raises(Unavailable, match="prediction p003: it may lie in a damaged segment"):
        log.find(PredictionId("p003"))
    with pytest.raises(NotFound):
        log.find(PredictionId("q"))
    assert log.find(PredictionId("p023")).id == "p023"
    assert len(log.parts().files) == 1
    assert log.end() == 60
    assert log.append(rows(20, 70)) == Appended(stored=10, repeated=40)
    assert log.seal(now=NOW, rows=99).rows == 30


def test_a_changed_byte_that_still_decodes_is_found_where_it_is_read(rooms):
    inputs = random.Random(5).randbytes(3_000)
    log = rooms.open()
    log.append([prediction("p000", inputs=inputs), *rows(1, 10)])
    segment = log.seal(now=NOW, rows=20)
    os.utime(rooms.file(segment), (1_000_000_000, 1_000_000_000))
    assert log.find(PredictionId("p000")).inputs == inputs
    place = rooms.file(segment).read_bytes().index(inputs[1_000:1_100])  # noise is packed as it is
    flip_file(rooms.file(segment), place)
    os.utime(rooms.file(segment), (1_000_000_000, 1_000_000_000))
    assert ids(log) == names((0, 10))  # which reads other pages
    assert log.rows(after=0, until=99).id.tolist() == []
    assert "what is stored no longer matches its digest" in log.damage()[0]


def test_a_bad_copy_of_a_good_object_is_fetched_again(rooms, monkeypatch):
    filled(rooms)
    log = rooms.open()
    segment = log.seal(now=NOW, rows=20)
    copy = rooms.folder / "copy"

    def path(digest):
        if not copy.exists():
            copy.write_bytes(rooms.objects.get(digest))
        return str(copy)

    monkeypatch.setattr(rooms.objects, "path", path)
    log = rooms.open()
    assert ids(log) == names((0, 40))
    flip_file(copy, pq.read_metadata(copy).row_group(0).column(0).data_page_offset + 40)
    assert ids(log) == names((0, 40))
    assert log.damage() == ()
    assert copy.read_bytes() == rooms.file(segment).read_bytes()


def test_a_damaged_batch_that_could_not_be_noted_is_noted_when_it_is_sealed(rooms):
    filled(rooms)
    flip(rooms, 11)
    log = rooms.open()
    assert len(ids(log)) == 30
    with log._spool.writes() as writer:
        writer.execute("DELETE FROM damaged")
    with closing(sqlite3.connect(rooms.folder / "main.db")) as raw:
        bytes_before = raw.execute("SELECT arrow FROM batches WHERE first = 11").fetchone()
    log._tail._quarantine = lambda *_, **__: None  # there is no room for it
    log.seal(now=NOW, rows=99)
    with closing(sqlite3.connect(rooms.folder / "main.db")) as raw:
        assert raw.execute("SELECT arrow FROM damaged WHERE first = 11").fetchone() == bytes_before


def test_a_page_of_the_database_that_is_broken_costs_one_batch(rooms):
    log = rooms.open()
    for start in range(0, 40, 10):
        log.append([prediction(f"p{i:03}", inputs=random.Random(i).randbytes(2_000)) for i in range(start, start + 10)])
    with log._spool.asks() as writer:
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        found = bytes(writer.execute("SELECT arrow FROM batches WHERE first = 11").fetchone()[0])
    log.close()
    path = rooms.folder / "main.db"
    content = bytearray(path.read_bytes())
    middle = content.index(found[9_000:9_040])
    page = middle // 4_096 * 4_096
    content[page : page + 4] = b"\x7f\xff\xff\xff"  # where the batch goes on: beyond the end of the file
    path.write_bytes(content)
    log = rooms.open()
    assert ids(log) == names((0, 10), (20, 40))
    assert "batch 11 (rows 11 to 20): " in log.damage()[0]
    assert log.seal(now=NOW, rows=99).rows == 40
    assert ids(log) == names((0, 10), (20, 40))
    assert log.append([prediction("new")]).stored == 1
    assert log.seal(now=NOW, rows=99).rows == 1


def test_a_segment_is_read_again_once_its_object_is_put_back(rooms):
    filled(rooms)
    log = rooms.open()
    segment = log.seal(now=NOW, rows=20)
    whole = rooms.file(segment).read_bytes()
    flip_file(rooms.file(segment))
    assert ids(rooms.open()) == names((20, 40))
    rooms.file(segment).write_bytes(whole)
    assert ids(rooms.open()) == names((0, 40))


def test_a_segment_whose_object_is_gone_is_told_and_left_out(rooms):
    filled(rooms)
    log = rooms.open()
    segment = log.seal(now=NOW, rows=20)
    rooms.file(segment).unlink()
    log = rooms.open()
    assert ids(log) == names((20, 40))
    assert "(rows 1 to 20): its object is not in the store; its rows are left out" in log.damage()[0]
    with pytest.raises(Unavailable, match="p003: it may lie in a damaged segment"):
        log.find(PredictionId("p003"))


def test_a_reading_that_fails_is_not_taken_for_damage(rooms, monkeypatch):
    filled(rooms)
    log = rooms.open()
    log.seal(now=NOW, rows=20)

    def fail(*_, **__):
        raise OSError("Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("loopline.adapters.spool.segments.read_groups", fail)
        with pytest.raises(Unavailable, match=r"segment \w+: Too many open files; try again"):
            ids(log)
    assert log.damage() == ()
    assert ids(log) == names((0, 40))


@pytest.mark.parametrize("size", [0.1, 0.5, 0.9])
def test_a_torn_file_is_unavailable_in_words_and_left_as_it_was_found(rooms, size):
    log = rooms.open()
    log.append([prediction(f"p{i}", "x" * 2_000) for i in range(200)])
    with log._spool.asks() as writer:
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    log.close()
    path = rooms.folder / "main.db"
    torn = path.read_bytes()[: int(path.stat().st_size * size)]
    path.write_bytes(torn)
    with pytest.raises(Unavailable, match=r"prediction log .*main\.db: .*; free some space or restore the file"):
        closing(rooms.open()).thing.append([prediction("new")])
    with suppress(Unavailable), closing(SpoolLog(path)) as again:
        again.scores(after=0, until=999)
    assert path.read_bytes()[: len(torn)] == torn
