"""What a pass over the pool keeps, uses again, and survives."""

import errno
import os
import pickle
import time

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.spool import parquet, segments, sketchbook, sketches
from loopline.adapters.spool.keeping import Keeper
from loopline.adapters.spool.sketchbook import LENT_SECONDS, SketchBook
from loopline.errors import Unavailable
from loopline.records.settings import CaptureSettings
from loopline.testing.factories import NOW, prediction
from loopline.testing.pool import crowd, joined, key_of, sift, surveyed

END = 1 << 40


class Noting:
    """A fleet that sends work as a cluster does, and notes what it was given."""

    def __init__(self, *, before=lambda: None):
        self.pieces, self.before = [], before

    def map(self, work, pieces):
        packed = pickle.dumps(work)
        for piece in pieces:
            self.before()
            self.pieces.append(piece)
            yield pickle.loads(pickle.dumps(pickle.loads(packed)(pickle.loads(pickle.dumps(piece)))))

    @property
    def spans(self):
        found = [(piece.span.start, piece.span.stop - 1) for piece in self.pieces]
        self.pieces.clear()
        return found


@pytest.fixture
def fleet():
    return Noting()


def opened(rooms, fleet, rows=(), *, segment=50):
    """A log with these rows, sealed in segments of so many."""
    log = rooms.open()
    log.surveyor.fleet = fleet
    for start in range(0, len(rows), segment):
        log.append(rows[start : start + segment])
        log.seal(now=NOW, rows=segment)
    return log


def one_version(start, stop, **changes):
    return [prediction(f"p{i:03}", f"text {i}", **changes) for i in range(start, stop)]


def found(log, *, after=0, until=END, **changes):
    return joined(list(log.survey(sift(**changes), after=after, until=until)))[0]


def kept(rooms):
    return sorted(path.name for path in (rooms.folder / "sketches").iterdir())


def test_a_second_pass_reads_nothing_and_a_grown_log_only_what_is_new(rooms, fleet):
    log = opened(rooms, fleet, crowd())
    first = found(log)
    assert fleet.spans == [(1, 50), (51, 100), (101, 150), (151, 200)]
    assert found(log) == first == surveyed(crowd())
    assert fleet.spans == []
    log.append(one_version(0, 10))
    log.seal(now=NOW, rows=10)
    assert found(log) == surveyed([*crowd(), *one_version(0, 10)])
    assert fleet.spans == [(201, 210)]
    log.append(one_version(10, 20))  # hot: read anew by every pass, and no piece for a fleet
    for _ in range(2):
        assert found(log) == surveyed([*crowd(), *one_version(0, 20)])
    assert fleet.spans == []


def test_another_program_uses_what_was_kept(rooms, fleet):
    first = found(opened(rooms, Noting(), crowd()))
    assert found(opened(rooms, fleet)) == first
    assert fleet.spans == []


def test_what_one_version_answered_is_kept_for_every_version_that_selects(rooms, fleet):
    rows = [*one_version(0, 50), *one_version(50, 100, model="v2"), *crowd()[:50]]
    log = opened(rooms, fleet, rows)
    for model, looked_at in (("v1", [(1, 50), (51, 100), (101, 150)]), ("v2", [(101, 150)]), ("v1", []), ("v2", [])):
        assert found(log, model=model) == surveyed(rows, model=model)
        assert fleet.spans == looked_at


def test_passes_of_other_names_and_columns_are_kept_apart(rooms, fleet):
    log = opened(rooms, fleet, crowd()[:50])
    for changes in ({}, {"name": "other.v1"}, {"reads": "entropy"}, {"reads": "members"}):
        assert found(log, **changes) == surveyed(crowd()[:50], reads=changes.get("reads", "margin"))
        assert fleet.spans == [(1, 50)]
    assert len(kept(rooms)) == 4


def test_of_a_pass_that_nobody_repeats_nothing_is_kept(rooms, fleet):
    log = opened(rooms, fleet, crowd())
    for _ in range(2):
        assert found(log, name="once:random.v1") == surveyed(crowd())
        assert len(fleet.spans) == 4
    assert kept(rooms) == []


def test_a_piece_that_the_window_cuts_is_not_kept(rooms, fleet):
    log = opened(rooms, fleet, crowd())
    assert found(log, after=20, until=120) == surveyed(crowd(), after=20, until=120)
    assert fleet.spans == [(21, 50), (51, 100), (101, 120)]
    assert len(kept(rooms)) == 1
    assert found(log) == surveyed(crowd())
    assert fleet.spans == [(1, 50), (101, 150), (151, 200)]


def test_who_wants_more_than_was_kept_has_it_looked_for_again(rooms, fleet):
    log = opened(rooms, fleet, one_version(0, 300), segment=150)
    (first, _) = list(log.survey(sift(most=10), after=0, until=END))
    assert (len(first.urgency), len(first.content)) == (10, 150)
    assert fleet.spans == [(1, 150), (151, 300)]
    list(log.survey(sift(most=8), after=0, until=END))
    assert fleet.spans == []
    assert [len(each.urgency) for each in log.survey(sift(most=300), after=0, until=END)] == [150, 150]
    assert fleet.spans == [(1, 150), (151, 300)]
    list(log.survey(sift(most=10_000), after=0, until=END))
    assert fleet.spans == []  # there is no more


def test_the_selecting_versions_own_segments_keep_more_rows(rooms, fleet):
    log = opened(rooms, fleet, [*one_version(0, 400, model="v1"), *one_version(400, 800, model="v2")], segment=400)
    list(log.survey(sift(most=100, model="v2"), after=0, until=END))
    assert [piece.most for piece in fleet.pieces] == [64, 100]


@pytest.mark.parametrize("shards", [1, 4, 16])
@pytest.mark.parametrize("reads", ["margin", "members"])
def test_however_the_pool_is_cut_the_same_is_found(rooms, fleet, monkeypatch, shards, reads):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 7)
    log = opened(rooms, fleet, crowd())
    log.surveyor.shards = shards
    assert found(log, reads=reads) == surveyed(crowd(), reads=reads)
    assert len(fleet.pieces) == max(4, shards)


@pytest.mark.parametrize("reads", ["margin", "members"])
def test_a_segment_that_is_too_large_for_one_look_becomes_several_sketches(rooms, fleet, monkeypatch, reads):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 7)
    monkeypatch.setattr(sketches, "PORTION_BYTES", 500)
    log = opened(rooms, fleet, crowd(), segment=200)
    for _ in range(2):
        found_each = list(log.survey(sift(reads), after=0, until=END))
        assert len(found_each) > 3
        assert joined(found_each)[0] == surveyed(crowd(), reads=reads)


def test_of_heavy_columns_only_row_groups_of_the_best_are_read(rooms, fleet, monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 10)
    close = {"probabilities": (0.41, 0.39, 0.2)}
    log = opened(rooms, fleet, [*one_version(0, 70), *one_version(70, 80, **close), *one_version(80, 100)], segment=100)
    read = []
    plain = segments.read_groups

    def noted(path, footer, *, groups, columns, **options):
        read.append((list(groups), "inputs" in columns))
        return plain(path, footer, groups=groups, columns=columns, **options)

    monkeypatch.setattr(segments, "read_groups", noted)
    list(log.survey(sift(most=10), after=0, until=END))
    assert read == [(list(range(10)), False), ([7], True)]
    read.clear()
    assert log.at([15, 12, 99]).id.tolist() == ["p011", "p014", "p098"]
    assert read == [([1, 9], True)]


@pytest.mark.parametrize("damage", ["bit", "magic", "short", "empty", "foreign"])
def test_a_kept_sketch_that_is_not_what_was_written_is_made_anew(rooms, fleet, damage):
    log = opened(rooms, fleet, crowd()[:50])
    expected = found(log)
    fleet.pieces.clear()
    (place,) = (rooms.folder / "sketches").iterdir()
    content = place.read_bytes()
    changed = {
        "bit": content[:-70] + bytes([content[-70] ^ 4]) + content[-69:],
        "magic": content[:20] + b"2" + content[21:],
        "short": content[:-100],
        "empty": b"",
        "foreign": b"a letter to a friend",
    }
    place.write_bytes(changed[damage])
    assert found(log) == expected
    assert fleet.spans == [(1, 50)]
    assert place.read_bytes() == content


def test_a_sketch_that_vanishes_during_a_pass_is_made_anew(rooms, fleet, monkeypatch):
    log = opened(rooms, fleet, crowd())
    expected = found(log)
    monkeypatch.setattr("loopline.adapters.spool.survey.read", lambda _: None)
    assert found(log) == expected


def test_when_a_sketch_vanishes_together_with_its_segment_the_pass_does_not_go_on_without_its_rows(
    rooms, fleet, monkeypatch
):
    log = opened(rooms, fleet, crowd())
    place = rooms.file(rooms.segments()[1])
    monkeypatch.setattr("loopline.adapters.spool.survey.read", lambda _: place.unlink(missing_ok=True))
    reason = r"what a pass found in segment [0-9a-f]{12} is gone, and so are its rows; begin the pass again"
    with pytest.raises(Unavailable, match=f"prediction log: {reason}"):
        list(log.survey(sift(), after=0, until=END))


def test_a_pass_that_found_the_disk_full_makes_room_for_the_next(rooms, fleet, monkeypatch):
    log, before = opened(rooms, fleet, crowd()), time.time() - 2 * LENT_SECONDS
    left = rooms.folder / "sketches" / "pass-dead" / "1-2"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    os.utime(left, (before, before))
    mkstemp = sketchbook.tempfile.mkstemp

    def full(**options):
        if left.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return mkstemp(**options)

    monkeypatch.setattr(sketchbook.tempfile, "mkstemp", full)
    with pytest.raises(Unavailable, match=r"cannot keep sketches under .*: No space left on device; check its space"):
        found(log)
    assert found(log) == surveyed(crowd())


def test_a_damaged_segment_is_left_out_and_told(rooms, fleet):
    log = opened(rooms, fleet, one_version(0, 150))
    place = rooms.file(rooms.segments()[1])
    place.write_bytes(place.read_bytes()[:-1] + b"!")
    for _ in range(2):
        assert found(log) == surveyed([*one_version(0, 50), *one_version(100, 150)])
    assert len(fleet.pieces) == 3  # once each
    (sentence,) = log.damage()
    assert "(rows 51 to 100): " in sentence
    assert len(kept(rooms)) == 2


def test_a_segment_whose_object_is_lost_is_left_out_and_told(rooms, fleet):
    log = opened(rooms, fleet, one_version(0, 150))
    rooms.file(rooms.segments()[1]).unlink()
    assert found(log) == surveyed([*one_version(0, 50), *one_version(100, 150)])
    (sentence,) = log.damage()
    assert "(rows 51 to 100): its object is not in the store" in sentence


def test_segments_that_are_packed_anew_during_a_pass_are_read_where_their_rows_are_now(rooms):
    log = opened(rooms, Noting(), crowd(), segment=20)
    clock = ManualClock(NOW)
    keeper = Keeper(log, manifest=rooms.manifest, objects=rooms.objects, settings=CaptureSettings(), clock=clock)

    def pack():
        for _ in range(2):  # to merge them, and to remove the objects that nobody needs any more
            clock.advance(3_600)
            assert keeper.look()

    fleet = log.surveyor.fleet = Noting(before=lambda: pack() if len(fleet.pieces) == 3 else None)
    assert found(log) == surveyed(crowd())
    assert fleet.spans[:4] == [(1, 20), (21, 40), (41, 60), (61, 80)]
    assert rooms.segments()[0].rows >= 160
    assert log.damage() == ()
    assert found(log) == surveyed(crowd())


def test_deleted_segments_have_no_samples(rooms, fleet):
    log = opened(rooms, fleet, one_version(0, 150))
    for number in (0, 2):
        old = rooms.segments()[number]
        rooms.manifest.replace((old,), new=(msgspec.structs.replace(old, tier="deleted", size=0, ids=b""),))
    log.sealer.changed()
    assert list(found(log)) == list(surveyed(one_version(0, 150), after=50, until=100))
    assert log.at([1, 51, 150]).position.tolist() == [51]


def test_rows_of_a_segment_that_was_written_without_todays_columns_are_read(rooms, fleet, monkeypatch):
    rows = one_version(0, 20)
    schema = pa.schema([field for field in parquet.COLUMNS if field.name != "segment"])

    def older(sink, columns, **options):
        return OlderWriter(sink, schema, **options)

    class OlderWriter(pq.ParquetWriter):
        def write_table(self, table, **options):
            super().write_table(table.select(schema.names), **options)

    with monkeypatch.context() as patch:
        patch.setattr(parquet, "COLUMNS", schema)
        patch.setattr(parquet.pq, "ParquetWriter", lambda sink, _, **options: older(sink, schema, **options))
        log = opened(rooms, fleet, rows)
    assert "segment" not in pq.read_schema(rooms.file(rooms.segments()[0])).names
    assert log.rows(after=0, until=99).segment.tolist() == [""] * 20
    assert found(log) == surveyed(rows)


def test_what_the_reserve_shares_with_kept_sketches_of_other_segments_is_taken_out(rooms, fleet):
    rows = [*one_version(0, 50), *one_version(50, 99), prediction("r1", "text 7", role="reserve")]
    log = opened(rooms, fleet, rows[:50])
    assert len(found(log)) == 50
    log.append(rows[50:])
    log.seal(now=NOW, rows=50)
    for _ in range(2):
        shut = key_of(rows[7].content)
        for sketch in log.survey(sift(most=1), after=0, until=END):
            assert shut not in sketch.content.tolist()
            assert shut not in [key_of(content) for content in sketch.rows.content]
        assert found(log) == surveyed(rows)
    assert found(log, until=50) == surveyed(rows[:50])  # what is kept still has it


def test_sketches_of_segments_that_are_gone_and_the_longest_unused_are_removed(rooms, fleet, monkeypatch):
    log = opened(rooms, fleet, one_version(0, 150))
    found(log)
    folder, before = rooms.folder / "sketches", time.time() - 2 * LENT_SECONDS
    old, young, gone = (folder / name for name in (*kept(rooms)[:2], f"{'0' * 32}-{'0' * 16}.arrow"))
    gone.write_bytes(b"x")
    (folder / "pass-dead").mkdir()
    (folder / "pass-dead" / "1-2").write_bytes(b"x")
    log.surveyor._book.tidy([each.digest for each in rooms.segments()])
    assert gone.exists()  # somebody may be reading it
    for path in (old, gone, folder / "pass-dead" / "1-2"):
        os.utime(path, (before, before))
    log.surveyor._book.tidy([each.digest for each in rooms.segments()])
    assert not gone.exists()
    assert not (folder / "pass-dead").exists()
    assert old.exists()
    SketchBook(folder, size=1).tidy([each.digest for each in rooms.segments()])
    assert (old.exists(), young.exists()) == (False, True)
    fleet.pieces.clear()
    assert found(log) == surveyed(one_version(0, 150))
    assert len(fleet.pieces) == 1


def test_a_pass_that_is_given_up_leaves_nothing_of_its_own(rooms, fleet):
    log = opened(rooms, fleet, crowd())
    passing = log.survey(sift(name="once:x"), after=0, until=END)
    next(passing)
    assert len(kept(rooms)) == 1
    passing.close()
    assert kept(rooms) == []


def test_a_folder_that_cannot_be_written_to_is_unavailable(rooms, fleet):
    log = opened(rooms, fleet, crowd())
    (rooms.folder / "sketches").write_bytes(b"in the way")
    with pytest.raises(
        Unavailable, match=r"prediction log: cannot keep sketches under .*/sketches: File exists; check"
    ):
        next(log.survey(sift(), after=0, until=END))


def test_a_store_that_is_away_stops_the_pass(rooms, fleet, monkeypatch):
    log = opened(rooms, fleet, crowd())

    def away(*_):
        raise Unavailable("object store", reason="away")

    monkeypatch.setattr("loopline.adapters.files.objects.FileObjects.path", away)
    with pytest.raises(Unavailable, match="object store: away"):
        next(log.survey(sift(), after=0, until=END))
    assert sketchbook.read(rooms.folder / "nowhere") is None
