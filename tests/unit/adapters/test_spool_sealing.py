"""What sealing promises: whatever happens in between, each row is in its place once."""

import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import msgspec
import pyarrow.parquet as pq
import pytest

from loopline.adapters.spool import sealing
from loopline.adapters.spool.log import SpoolLog
from loopline.errors import Conflict, NotFound, Unavailable
from loopline.ports.prediction_log import Appended
from loopline.records.ids import PredictionId
from loopline.testing.factories import LOOP, NOW, prediction
from loopline.testing.prediction_log import a_day, with_everything


def rows(start, stop, **changes):
    return [prediction(f"p{i:06}", f"row {i}", **changes) for i in range(start, stop)]


def ids(log, *, after=0, until=1 << 40):
    return log.scores(after=after, until=until).id.tolist()


def names(start, stop):
    return [f"p{i:06}" for i in range(start, stop)]


def count(log, table):
    with closing(sqlite3.connect(log._spool.path)) as raw:
        return raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_the_oldest_whole_batches_are_sealed_up_to_the_rows_that_were_asked_for(rooms):
    log = rooms.open()
    for start in range(0, 50, 10):
        log.append(rows(start, start + 10))
    sealed = log.seal(now=NOW, rows=25)
    assert (sealed.first, sealed.rows, sealed.lane_first, sealed.loop, sealed.tier) == (1, 20, 1, LOOP, "hot")
    assert (sealed.min_id, sealed.max_id, sealed.counts, sealed.arms) == (
        "p000000", "p000019", {"v1": 20}, {"incumbent": 20},
    )  # fmt: skip
    assert sealed.size == rooms.file(sealed).stat().st_size
    assert (count(log, "batches"), count(log, "ids")) == (3, 30)
    assert log.seal(now=NOW, rows=1).rows == 10  # a batch is never cut
    assert log.end() == 50
    assert log.waiting() == (31, 20)
    assert ids(log) == names(0, 50)
    assert log.tally() == {"incumbent": 50}


def test_nothing_to_seal_is_no_segment(rooms):
    log = rooms.open()
    assert log.seal(now=NOW, rows=10) is None
    log.append(rows(0, 3))
    log.seal(now=NOW, rows=10)
    assert log.seal(now=NOW, rows=10) is None
    assert len(rooms.segments()) == 1


def test_a_file_is_by_time_and_each_row_keeps_its_place(rooms):
    log = rooms.open()
    late_first = [prediction(f"p{i}", at=NOW - timedelta(seconds=i // 2)) for i in range(10)]
    log.append(late_first)
    file = pq.ParquetFile(rooms.file(log.seal(now=NOW, rows=10)))
    table = file.read()
    assert table["at_us"].to_pylist() == sorted(table["at_us"].to_pylist())
    assert table["offset"].to_pylist() == [8, 9, 6, 7, 4, 5, 2, 3, 0, 1]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.schema_arrow.field("embedding").type.value_type == "float"
    assert ids(log) == [f"p{i}" for i in range(10)]
    assert ids(log, after=3, until=6) == ["p3", "p4", "p5"]


def test_row_groups_are_bounded_and_only_those_that_overlap_are_read(rooms, monkeypatch):
    monkeypatch.setattr("loopline.adapters.spool.parquet.GROUP_ROWS", 10)
    log = rooms.open()
    log.append(rows(0, 35))
    log.seal(now=NOW, rows=35)
    read = []
    groups = pq.ParquetFile.read_row_group

    def read_row_group(file, group, **how):
        read.append((group, how["columns"]))
        return groups(file, group, **how)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    assert ids(log, after=12, until=14) == ["p000012", "p000013"]
    assert [group for group, _ in read] == [1]
    assert "inputs" not in read[0][1]
    read.clear()
    assert log.find(PredictionId("p000031")).inputs == b'"row 31"'
    assert [group for group, _ in read] == [3, 3]


def test_ids_greater_than_any_sealed_one_are_looked_for_nowhere(rooms, monkeypatch):
    log = rooms.open()
    log.append(rows(0, 10))
    log.seal(now=NOW, rows=10)
    monkeypatch.setattr(type(log.files), "known", None)
    assert log.append(rows(10, 20)).stored == 10


def test_a_repeated_row_is_known_when_it_is_sealed_and_a_stranger_between_is_not(rooms):
    log = rooms.open()
    log.append(rows(0, 1_000)[::2])
    log.seal(now=NOW, rows=1_000)
    assert log.append(rows(0, 1_000)) == Appended(stored=500, repeated=500)
    assert log.append(rows(0, 1_000)) == Appended(stored=0, repeated=1_000)
    assert sorted(ids(log)) == names(0, 1_000)


STEPS = ("put", "add", "switch", "trim")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("comes_back", ["with more rows", "as it was", "and seals again at once"])
def test_a_crash_at_any_step_leaves_every_row_once(rooms, monkeypatch, step, comes_back):
    log = rooms.open()
    for start in range(0, 30, 10):
        log.append(rows(start, start + 10))

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if step in ("put", "add"):
            patch.setattr(rooms.objects if step == "put" else rooms.manifest, step, die)
        else:
            patch.setattr(*((sealing.Sealer, "_switch") if step == "switch" else (sealing, "_forget")), die)
        with pytest.raises(KeyboardInterrupt):
            log.seal(now=NOW, rows=20)
    again = rooms.open()
    end = 30
    if comes_back == "with more rows":
        again.append(rows(30, 40))
        end = 40
    elif comes_back == "and seals again at once":
        again.seal(now=NOW, rows=20)
    for opened in (again, log):
        assert ids(opened) == names(0, end)
        assert opened.append(rows(0, end)).stored == 0
    again.seal(now=NOW, rows=30)
    assert ids(again) == names(0, end)
    assert again.tally() == {"incumbent": end}
    assert sum(segment.rows for segment in rooms.segments()) + again.waiting()[1] == end
    assert count(again, "ids") == again.waiting()[1]
    firsts = [segment.first for segment in rooms.segments()]
    assert len(set(firsts)) == len(firsts)


def test_the_same_rows_seal_to_the_same_object(rooms, monkeypatch):
    log = rooms.open()
    log.append(a_day() + with_everything())

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rooms.manifest, "add", die)
        with pytest.raises(KeyboardInterrupt):
            log.seal(now=NOW, rows=99)
    (left,) = [path for path in (rooms.folder / "objects").rglob("*") if len(path.name) == 64]
    assert rooms.open().seal(now=NOW + timedelta(days=1), rows=99).digest == left.name


def test_an_append_goes_on_while_a_segment_is_stored(rooms, monkeypatch):
    log = rooms.open()
    log.append(rows(0, 10))
    put = rooms.objects.put

    def slow(content):
        with ThreadPoolExecutor(1) as capture:
            assert capture.submit(log.append, rows(10, 20)).result(timeout=10).stored == 10
            assert capture.submit(ids, log).result(timeout=10) == names(0, 20)
        return put(content)

    monkeypatch.setattr(rooms.objects, "put", slow)
    assert log.seal(now=NOW, rows=10).rows == 10
    assert ids(log) == names(0, 20)


@pytest.mark.slow
def test_readers_see_no_gap_and_no_double_while_rows_are_appended_and_sealed(rooms):
    writer, reader = rooms.open(), rooms.open()
    rng = random.Random(7)

    def write():
        for start in range(0, 1_500, 25):
            writer.append(rows(start, start + 25))
            if rng.random() < 0.5:
                writer.seal(now=NOW, rows=rng.choice([25, 50, 100]))

    def read(log):
        end = log.end()
        found = log.scores(after=0, until=1 << 40)
        assert found.position.tolist() == list(range(1, len(found.id) + 1))
        assert found.id.tolist() == names(0, len(found.id))
        assert len(found.id) >= end
        if end:
            assert log.find(PredictionId(f"p{end - 1:06}")).id == f"p{end - 1:06}"
        parts = log.parts()
        table = [name for file in parts.files for name in pq.read_table(file, columns=["id"])["id"].to_pylist()]
        assert table + parts.tail["id"].to_pylist() == names(0, len(table) + len(parts.tail))

    with ThreadPoolExecutor(4) as pool:
        writing = pool.submit(write)
        is_over = False
        while not is_over:
            is_over = writing.done()
            list(pool.map(read, (writer, reader, reader)))
        writing.result()
    assert writer.end() == 1_500
    assert ids(writer) == names(0, 1_500)


def before_first(monkeypatch, owner, name, act):
    """Do something in the moment before this method is called for the first time."""
    method, is_done = getattr(owner, name), []

    def called(*args, **kwargs):
        if not is_done:
            is_done.append(True)
            act()
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, called)


@pytest.mark.parametrize("moment", ["spans", "batch"])
@pytest.mark.parametrize("sealed", [10, 30])
def test_rows_that_are_sealed_between_two_looks_are_neither_missed_nor_seen_twice(rooms, monkeypatch, moment, sealed):
    writer, log = rooms.open(), rooms.open()
    for start in range(0, 30, 10):
        writer.append(rows(start, start + 10))

    def seal():
        writer.seal(now=NOW, rows=sealed)

    with monkeypatch.context() as patch:
        before_first(patch, log._tail, moment, seal)
        assert ids(log) == names(0, 30)
    writer.append(rows(30, 60))
    with monkeypatch.context() as patch:
        before_first(patch, log._tail, moment, seal)
        parts = log.parts()
        held = sum(pq.read_metadata(file).num_rows for file in parts.files)
        assert [*range(1, held + 1), *parts.tail["position"].to_pylist()] == list(range(1, 61))
    writer.append(rows(60, 61))
    with monkeypatch.context() as patch:
        before_first(patch, log._tail, moment, lambda: writer.seal(now=NOW, rows=99))
        assert log.find(PredictionId("p000060")).inputs == b'"row 60"'


def test_a_store_that_is_away_costs_nothing_but_the_sealing(rooms, monkeypatch):
    log = rooms.open()
    log.append(rows(0, 10))

    def away(*_):
        raise Unavailable("object store", reason="no route to host")

    with monkeypatch.context() as patch:
        patch.setattr(rooms.objects, "put", away)
        with pytest.raises(Unavailable, match="object store: no route to host"):
            log.seal(now=NOW, rows=10)
        assert log.append(rows(5, 15)) == Appended(stored=5, repeated=5)
        assert ids(log) == names(0, 15)
    log.seal(now=NOW, rows=99)
    with monkeypatch.context() as patch:
        patch.setattr(rooms.objects, "path", away)
        fresh = rooms.open()
        # Rows that cannot be reached are not left out in silence, and none of them is stored a second time.
        with pytest.raises(Unavailable, match="no route to host"):
            ids(fresh)
        with pytest.raises(Unavailable, match="no route to host"):
            fresh.append(rows(0, 1))
        assert fresh.append(rows(20, 21)).stored == 1
        assert fresh.damage() == ()
    assert ids(rooms.open()) == [*names(0, 15), "p000020"]


def test_a_log_without_a_place_for_segments_says_so(tmp_path):
    with closing(SpoolLog(tmp_path / "a.db")) as log, pytest.raises(Conflict, match=r"prediction log .*a\.db: no man"):
        log.seal(now=NOW, rows=10)


def test_a_lost_spool_goes_on_after_the_rows_that_were_sealed_from_it(rooms):
    log = rooms.open()
    log.append(a_day())
    log.seal(now=NOW, rows=99)
    log.close()
    (rooms.folder / "main.db").unlink()
    again = rooms.open()
    assert (again.end(), again.tally()) == (12, {"canary": 4, "direct": 2, "incumbent": 4, "shadow": 2})
    assert again.append([*a_day(), prediction("new")]) == Appended(stored=1, repeated=12)
    assert again.find(PredictionId("p9")) == a_day()[9]
    assert ids(again) == [*(row.id for row in a_day()), "new"]


def test_a_manifest_older_than_the_spool_is_refused_in_words(rooms):
    log = rooms.open()
    log.append(a_day())
    log.seal(now=NOW, rows=99)
    rooms.manifest._held.clear()
    expected = r"a manifest whose lane main ends at 0, expected its sealed rows up to 12; restore the state database"
    with pytest.raises(Conflict, match=expected):
        rooms.open()


def test_a_lane_that_is_to_be_alone_and_is_not_is_refused_in_words(rooms):
    for lane in ("a", "b"):
        log = rooms.open(lane, is_alone=False)
        log.append([prediction(f"{lane}{i}") for i in range(3)])
        log.seal(now=NOW, rows=99)
    expected = "loop 'sentiment': segments of the lane b in the manifest, expected those of lane a alone; give every"
    with pytest.raises(Conflict, match=expected):
        rooms.open("a")


def test_of_several_lanes_only_what_is_sealed_has_a_position(rooms):
    a, b = rooms.open("a", is_alone=False), rooms.open("b", is_alone=False)
    a.append(rows(0, 10))
    b.append(rows(100, 105))
    assert (a.end(), b.end(), ids(a)) == (0, 0, [])
    b.seal(now=NOW, rows=99)
    assert (a.end(), ids(a), ids(b)) == (5, names(100, 105), names(100, 105))
    a.seal(now=NOW, rows=99)
    assert ids(b) == ids(a) == names(100, 105) + names(0, 10)
    assert [segment.lane_first for segment in rooms.segments()] == [1, 1]
    assert b.find(PredictionId("p000003")).id == "p000003"
    assert b.find(PredictionId("p000104")).id == "p000104"
    with pytest.raises(NotFound):
        b.find(PredictionId("p000050"))
    b.append(rows(105, 107))
    b.seal(now=NOW, rows=99)
    assert a.scores(after=13, until=99).position.tolist() == [14, 15, 16, 17]
    assert a.scores(after=13, until=99).id.tolist() == ["p000008", "p000009", "p000105", "p000106"]
    assert (a.tally(), b.tally()) == ({"incumbent": 10}, {"incumbent": 7})
    assert a.parts().firsts == (1, 6, 16)
    assert len(a.parts().tail) == 0


def test_what_is_sealed_never_looks_older_than_what_was_sealed_before(rooms):
    log = rooms.open()
    log.append(rows(0, 1))
    log.seal(now=NOW, rows=9)
    log.append(rows(1, 2))
    assert log.seal(now=NOW - timedelta(days=400), rows=9).sealed_at == NOW


def test_decoded_batches_are_kept_within_a_bound(rooms, monkeypatch):
    log = rooms.open()
    for number in range(20):
        log.append([prediction(f"p{number}", inputs=bytes(10_000))])
    monkeypatch.setattr("loopline.adapters.spool.tail.CACHE_BYTES", 50_000)
    for _ in range(3):
        assert len(ids(log)) == 20
    held = log._tail._cache.values()
    assert sum(batch.get_total_buffer_size() for batch in held) == log._tail._cached_bytes <= 50_000
    assert 1 < len(held) < 5


def test_removed_rows_leave_room_for_new_ones(rooms):
    log = rooms.open()
    inputs = random.Random(1).randbytes(20_000)

    def turn(number):
        log.append([msgspec.structs.replace(row, inputs=inputs) for row in rows(number * 50, number * 50 + 50)])
        log.seal(now=NOW, rows=999)
        with log._spool.asks() as writer:
            return writer.execute("PRAGMA page_count").fetchone()[0]

    turn(0)
    pages = [turn(number) for number in range(1, 8)]
    assert max(pages) <= pages[0] * 1.1


def test_room_that_is_not_needed_goes_back_to_the_disk(rooms, monkeypatch):
    monkeypatch.setattr(sealing, "FREE_PAGES", 100)
    log = rooms.open()
    log.append([prediction(f"p{i}", inputs=random.Random(i).randbytes(20_000)) for i in range(500)])
    log.seal(now=NOW, rows=999)

    def pages():
        with log._spool.asks() as writer:
            return writer.execute("PRAGMA page_count").fetchone()[0]

    before = pages()
    for _ in range(5):
        log.sealer.shrink()
    assert pages() < before / 5
    assert len(ids(log)) == 500
