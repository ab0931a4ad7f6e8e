"""The keeper over a real log: what it does, when, and what it never does."""

import sqlite3
from contextlib import closing
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.spool import keeping, packing
from loopline.adapters.spool.keeping import Keeper
from loopline.errors import NotFound, Unavailable
from loopline.ports.prediction_log import Appended
from loopline.records.ids import PredictionId
from loopline.records.segment import Pin
from loopline.records.settings import CaptureSettings
from loopline.testing.factories import LOOP, NOW, prediction
from loopline.testing.prediction_log import with_everything

HOUR, DAY = 3_600.0, 86_400.0
SETTINGS = CaptureSettings(hot_seconds=7 * DAY, retain_seconds=90 * DAY)


def rows(start, stop, at=NOW):
    return [prediction(f"p{i:06}", f"row {i}", at=at + timedelta(microseconds=i)) for i in range(start, stop)]


def names(start, stop):
    return [f"p{i:06}" for i in range(start, stop)]


def ids(log):
    return log.scores(after=0, until=1 << 40).id.tolist()


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def keeper(rooms, clock):
    log = rooms.open()
    return Keeper(log, manifest=rooms.manifest, objects=rooms.objects, settings=SETTINGS, clock=clock)


def until_still(keeper):
    """What is told until nothing more is due."""
    told = []
    while step := keeper.look():
        told += step
    return told


def sealed_each_hour(rooms, keeper, clock, segments, *, size=10):
    log = rooms.open()
    for number in range(segments):
        log.append(rows(log.end(), log.end() + size, at=clock.now()))
        assert log.seal(now=clock.now(), rows=size).rows == size, number
        clock.advance(HOUR)
    return log


def test_a_tail_is_sealed_when_it_is_large_or_has_waited(rooms, keeper, clock, monkeypatch):
    monkeypatch.setattr(keeping, "SEAL_ROWS", 100)
    monkeypatch.setattr(keeping, "SOON_ROWS", 20)
    log = rooms.open()
    assert keeper.look() == ()
    log.append(rows(0, 10))
    assert keeper.look() == ()
    clock.advance(HOUR - 1)
    assert keeper.look() == ()  # a few rows wait for an hour
    clock.advance(1)
    assert keeper.look() == ("sealed rows 1 to 10",)
    log.append(rows(10, 30))
    assert keeper.look() == ()
    clock.advance(600)
    assert keeper.look() == ("sealed rows 11 to 30",)  # some are worth a segment after ten minutes
    for start in range(30, 250, 20):
        log.append(rows(start, start + 20))
    assert keeper.look() == ("sealed rows 31 to 130",)  # many at once
    assert keeper.look() == ("sealed rows 131 to 230",)
    assert keeper.look() == ()
    assert ids(log) == names(0, 250)


def test_rows_of_last_year_do_not_make_a_segment_each(rooms, keeper, clock):
    log = rooms.open()
    for start in range(0, 50, 10):
        log.append(rows(start, start + 10, at=NOW - timedelta(days=400)))
        assert keeper.look() == ()
    clock.advance(HOUR)
    assert keeper.look() == ("sealed rows 1 to 50",)
    assert keeper.look() == ()
    assert ids(log) == names(0, 50)


def test_small_neighbours_become_one_and_nothing_else_changes(rooms, keeper, clock, monkeypatch):
    log, reader = sealed_each_hour(rooms, keeper, clock, 8), rooms.open()
    log.append(with_everything())
    log.seal(now=clock.now(), rows=99)
    log.append(rows(80, 85))
    before = (reader.scores(after=0, until=999), reader.rows(after=0, until=999), log.end(), log.tally())
    old = rooms.segments()
    assert keeper.look() == (f"merged 9 segments, rows 1 to 86 into one segment of {rooms.segments()[0].size} bytes",)
    (merged,) = rooms.segments()
    assert (merged.first, merged.lane_first, merged.rows, merged.tier) == (1, 1, 86, "hot")
    assert (merged.min_id, merged.max_id, merged.counts) == ("p000000", "q6", {"v1": 86})
    assert merged.arms == {"canary": 1, "incumbent": 85}
    assert merged.sealed_at == old[-1].sealed_at
    assert (merged.min_at_us, merged.max_at_us) == (old[-1].min_at_us, old[-2].max_at_us)
    for opened in (log, reader, rooms.open()):
        after = (opened.scores(after=0, until=999), opened.rows(after=0, until=999), opened.end(), opened.tally())
        assert str(after) == str(before)
        assert [opened.find(row.id) for row in with_everything()] == with_everything()
        assert opened.append(rows(0, 85)) == Appended(stored=0, repeated=85)
    assert keeper.look() == ()
    assert all(rooms.file(segment).exists() for segment in old)  # a reader may hold its path
    clock.advance(601)
    assert keeper.look() == ("removed 9 objects that no segment needs",)
    assert not any(rooms.file(segment).exists() for segment in old)
    assert rooms.file(merged).exists()
    clock.advance(601)
    assert keeper.look() == ()
    assert ids(reader)[:80] == names(0, 80)


def test_a_reader_that_holds_an_old_picture_finds_the_new_files(rooms, keeper, clock):
    log = sealed_each_hour(rooms, keeper, clock, 8)
    reader = rooms.open()
    assert ids(reader) == names(0, 80)
    picture = reader._catalogue.latest
    until_still(keeper)
    clock.advance(601)
    until_still(keeper)
    assert len(rooms.segments()) == 1
    reader._catalogue._seen = (reader._spool.state().generation, picture)
    assert ids(reader) == names(0, 80)
    assert reader.find(PredictionId("p000007")).id == "p000007"
    assert reader.damage() == ()
    assert ids(log) == names(0, 80)


def test_a_damaged_segment_is_not_carried_into_a_merged_one(rooms, keeper, clock):
    sealed_each_hour(rooms, keeper, clock, 9)
    path = rooms.file(rooms.segments()[0])
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    assert keeper.look() == ()  # it is found now
    assert "what is stored no longer matches its digest" in keeper._log.damage()[0]
    assert keeper.look()[0].startswith("merged 8 segments, rows 11 to 90 into one")
    assert ids(rooms.open()) == names(10, 90)


def test_lost_rows_stay_lost_and_places_stay_places_when_segments_are_merged(rooms, keeper, clock):
    log = rooms.open()
    for start in range(0, 30, 10):
        log.append(rows(start, start + 10))
    with log._spool.writes() as writer:
        writer.execute("UPDATE batches SET checksum = x'00' WHERE first = 11")
    log = rooms.open()
    log.seal(now=NOW, rows=30)
    for start in range(30, 100, 10):
        log.append(rows(start, start + 10))
        log.seal(now=NOW, rows=10)
    assert keeper.look()[0].startswith("merged 8 segments, rows 1 to 100")
    (merged,) = rooms.segments()
    assert (merged.rows, merged.arms) == (100, {"incumbent": 90})
    assert log.scores(after=0, until=999).position.tolist() == [*range(1, 11), *range(21, 101)]
    assert ids(log) == names(0, 10) + names(20, 100)


def test_what_has_aged_is_archived_and_still_read(rooms, keeper, clock):
    log = sealed_each_hour(rooms, keeper, clock, 5)
    clock.advance(7 * DAY)
    assert keeper.look() == ()
    clock.advance(DAY)
    told = keeper.look()
    assert told[0].startswith("archived 5 segments, rows 1 to 50 into one segment of ")
    (archived,) = rooms.segments()
    assert archived.tier == "archive"
    assert ids(log) == names(0, 50)
    assert log.find(PredictionId("p000033")).id == "p000033"
    assert log.append(rows(0, 51)) == Appended(stored=1, repeated=50)
    assert (len(log.parts().files), len(log.parts(tiers=("hot",)).files)) == (1, 0)
    assert pq.read_table(log.parts().files[0])["offset"].to_pylist() == list(range(50))


def test_what_is_old_is_deleted_unless_somebody_holds_it(rooms, keeper, clock, monkeypatch):
    log = sealed_each_hour(rooms, keeper, clock, 2)
    first, second = rooms.segments()
    rooms.manifest.pin(Pin(holder="selection:cycle-1", after=0, until=5), loop=LOOP)
    monkeypatch.setattr(packing, "_archive", lambda *_, **__: None)
    clock.advance(90 * DAY - HOUR)
    assert keeper.look() == ("deleted rows 11 to 20, sealed at 2026-01-05 10:00 UTC",)
    assert keeper.look() == ()
    assert ids(log) == names(0, 10)
    rooms.manifest.pin(Pin(holder="selection:cycle-1", after=0, until=0), loop=LOOP)
    assert keeper.look() == ("deleted rows 1 to 10, sealed at 2026-01-05 09:00 UTC",)
    assert (ids(log), log.end(), log.tally(), log.parts().files) == ([], 20, {"incumbent": 20}, ())
    assert [segment.tier for segment in rooms.segments()] == ["deleted", "deleted"]
    with pytest.raises(NotFound):
        log.find(PredictionId("p000003"))
    clock.advance(601)
    assert keeper.look() == ("removed 2 objects that no segment needs",)
    assert not rooms.file(first).exists()
    assert not rooms.file(second).exists()
    assert log.append(rows(20, 21)) == Appended(stored=1, repeated=0)
    assert (rooms.open().end(), ids(rooms.open())) == (21, names(20, 21))


def test_nothing_is_deleted_early_when_the_clock_goes_back(rooms, keeper, clock):
    log = rooms.open()
    log.append(rows(0, 10))
    log.seal(now=NOW, rows=10)
    wrong = ManualClock(NOW - timedelta(days=400))  # the next start finds itself last year, and stamps rows with it
    astray = Keeper(log, manifest=rooms.manifest, objects=rooms.objects, settings=SETTINGS, clock=wrong)
    log.append(rows(10, 20, at=wrong.now()))
    assert astray.look() == ()
    wrong.advance(HOUR)
    assert astray.look() == ("sealed rows 11 to 20",)
    clock.advance(DAY)  # the clock is right again: to it those rows are a day old, not 400
    assert until_still(keeper) == []
    assert ids(log) == names(0, 20)
    clock.advance(88 * DAY)
    assert not [told for told in until_still(keeper) if told.startswith("deleted")]
    clock.advance(DAY)
    assert [told for told in until_still(keeper) if told.startswith("deleted")]


def test_sealing_and_packing_take_turns(rooms, keeper, clock, monkeypatch):
    monkeypatch.setattr(keeping, "SEAL_ROWS", 10)
    log = sealed_each_hour(rooms, keeper, clock, 16)
    for start in range(160, 190, 10):
        log.append(rows(start, start + 10))
    monkeypatch.setattr(packing, "SMALL_ROWS", 20)
    monkeypatch.setattr(packing, "MOST_ROWS", 80)
    acts = [told.split()[0] for _ in range(5) for told in keeper.look()]
    assert acts == ["sealed", "merged", "sealed", "merged", "sealed"]


def test_an_object_that_a_crash_left_outside_the_manifest_is_removed(rooms, keeper, clock, monkeypatch):
    log = rooms.open()
    log.append(rows(0, 10))

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rooms.manifest, "add", die)
        with pytest.raises(KeyboardInterrupt):
            log.seal(now=clock.now(), rows=100)
    log.append(rows(10, 20))
    log.seal(now=clock.now(), rows=100)
    stored = [path for path in (rooms.folder / "objects").rglob("*") if len(path.name) == 64]
    assert len(stored) == 2
    clock.advance(601)
    assert keeper.look() == ("removed 1 object that no segment needs",)
    assert [path for path in stored if path.exists()] == [rooms.file(rooms.segments()[0])]
    assert ids(log) == names(0, 20)


def test_a_trouble_is_told_once_and_what_was_due_is_done_when_it_ends(rooms, keeper, clock, monkeypatch):
    log = rooms.open()
    log.append(rows(0, 10))
    keeper.look()
    clock.advance(HOUR)

    def away(*_):
        raise Unavailable("object store", reason="no route to host", remedy="look at the network")

    with monkeypatch.context() as patch:
        patch.setattr(rooms.objects, "put", away)
        told = keeper.look()
        assert told == ("the log is not tended to: object store: no route to host; look at the network",)
        assert keeper.trouble == "object store: no route to host; look at the network"
        assert keeper.look() == ()
        assert ids(log) == names(0, 10)
        assert log.append(rows(10, 20)).stored == 10
    assert keeper.look() == ("sealed rows 1 to 20",)
    assert keeper.trouble == ""


@pytest.mark.parametrize("step", ["put", "replace", "changed"])
def test_a_crash_while_segments_are_merged_loses_nothing_and_leaves_nothing(rooms, keeper, clock, monkeypatch, step):
    log = sealed_each_hour(rooms, keeper, clock, 8)
    target = {"put": rooms.objects, "replace": rooms.manifest, "changed": log.sealer.__class__}[step]

    def die(*_, **__):
        raise KeyboardInterrupt

    assert ids(log) == names(0, 80)  # its picture of the manifest is that of now
    with monkeypatch.context() as patch:
        patch.setattr(target, step, die)
        with pytest.raises(KeyboardInterrupt):
            keeper.look()
    assert ids(log) == ids(rooms.open()) == names(0, 80)
    again = Keeper(log, manifest=rooms.manifest, objects=rooms.objects, settings=SETTINGS, clock=clock)
    if step == "changed":
        assert len(log.parts().files) == 1  # told by the new keeper, since the old one did not live to
    until_still(again)
    clock.advance(601)
    until_still(again)
    (merged,) = rooms.segments()
    assert ids(log) == ids(rooms.open()) == names(0, 80)
    assert [path for path in (rooms.folder / "objects").rglob("*") if len(path.name) == 64] == [rooms.file(merged)]


@pytest.mark.parametrize("names", [["a", "b", "c"], ["a\x00", "a", "\\u0000"]])
def test_the_ids_of_sealed_rows_leave_the_spool_and_are_still_known(rooms, names):
    log = rooms.open()
    log.append([prediction(name) for name in names])
    log.seal(now=NOW, rows=10)
    with closing(sqlite3.connect(rooms.folder / "main.db")) as raw:
        assert raw.execute("SELECT count(*) FROM ids").fetchone() == (0,)
    assert log.append([prediction(name) for name in names]) == Appended(stored=0, repeated=3)
