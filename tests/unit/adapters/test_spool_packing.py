"""What is due, from the manifest, the time and the rules alone."""

from datetime import timedelta

import pytest

from loopline.adapters.spool.packing import MOST_BYTES, MOST_ROWS, RUN, Rules, next_step
from loopline.records.ids import Digest
from loopline.records.segment import Pin, Segment
from loopline.testing.factories import LOOP, NOW

DAY = timedelta(days=1)
MICROS = 10**6


def chain(*given):
    """Segments one after the other; each a dictionary of what is special about it."""
    found, first, places = [], 1, {}
    for number, special in enumerate(given):
        changes = {"rows": 1_000, "lane": "main", "age": timedelta(0), **special}
        sealed_at = NOW - changes.pop("age")
        at_us = int(sealed_at.timestamp()) * MICROS
        lane_first = places.get(changes["lane"], 1)
        fields = {
            "digest": Digest(f"{number:064}"), "loop": LOOP, "lane_first": lane_first, "first": first, "size": 50_000,
            "min_at_us": at_us - 60 * MICROS, "max_at_us": at_us, "min_id": "a", "max_id": "b", "counts": {"v1": 1},
            "arms": {"incumbent": 1}, "tier": "hot", "sealed_at": sealed_at, **changes,
        }  # fmt: skip
        found.append(Segment(**fields))
        first += changes["rows"]
        places[changes["lane"]] = lane_first + changes["rows"]
    return tuple(found)


def due(segments, **changes):
    rules = {
        "hot_seconds": 7 * 86_400, "retain_seconds": 90 * 86_400, "lane": "main", "pins": (), "damaged": (), **changes,
    }  # fmt: skip
    step = next_step(segments, now=NOW, rules=Rules(**rules))
    return step and (step.act, [int(each.digest) for each in step.segments])


def test_nothing_is_due_of_nothing_and_of_what_is_young_and_large():
    assert due(()) is None
    assert due(chain(*[{"rows": 100_000}] * 20)) is None


def test_small_neighbours_are_merged_once_there_are_many():
    assert due(chain(*[{}] * (RUN - 1))) is None
    assert due(chain(*[{}] * RUN)) == ("merge", list(range(RUN)))
    assert due(chain({"rows": 100_000}, *[{}] * RUN)) == ("merge", list(range(1, RUN + 1)))


def test_small_neighbours_are_merged_once_they_are_large_together():
    assert due(chain(*[{"rows": 50_000}] * 2)) == ("merge", [0, 1])
    assert due(chain({"rows": 60_000}, {"rows": 30_000})) is None


@pytest.mark.parametrize("between", [{"rows": 100_000}, {"tier": "archive"}, {"lane": "b"}, {"tier": "deleted"}])
def test_what_is_no_neighbour_is_not_merged(between):
    assert due(chain(*[{}] * 4, between, *[{}] * 4)) is None


def test_a_merged_segment_is_bounded_in_rows_bytes_and_time():
    assert due(chain(*[{"rows": 99_999}] * 30)) == ("merge", list(range(10)))
    assert MOST_ROWS == 1_000_000
    assert due(chain(*[{"size": MOST_BYTES // 3}] * 20)) is None  # three of them are neither many nor large
    days = [{"age": timedelta(hours=6 * number)} for number in range(20, 0, -1)]
    assert due(chain(*days)) is None


def test_aged_segments_wait_for_others_for_a_day_and_are_archived_together():
    young, aged = {"rows": 100_000, "age": 6 * DAY}, {"rows": 100_000, "age": 7.5 * DAY}
    assert due(chain(aged, aged, young)) is None
    late = aged | {"age": 8 * DAY}
    assert due(chain(late, aged, young)) == ("archive", [0, 1])
    assert due(chain(*[aged] * 12)) == ("archive", list(range(10)))


def test_an_old_segment_is_deleted_first_whatever_else_is_due():
    old = {"age": 90 * DAY, "tier": "archive"}
    assert due(chain(old, *[{}] * RUN)) == ("delete", [0])
    assert due(chain(old, *[{}] * RUN), retain_seconds=0) == ("merge", list(range(1, RUN + 1)))
    assert due(chain(old | {"age": 90 * DAY - timedelta(seconds=1)})) is None
    assert due(chain(old | {"tier": "deleted"})) is None


def test_old_segments_of_a_lane_whose_writer_is_gone_are_deleted_but_not_repacked():
    assert due(chain({"age": 91 * DAY, "lane": "gone"})) == ("delete", [0])
    assert due(chain(*[{"age": 30 * DAY, "lane": "gone"}] * RUN)) is None


@pytest.mark.parametrize(
    ("after", "until", "is_held"),
    [(0, 1_000, False), (0, 1_001, True), (1_999, 5_000, True), (2_000, 5_000, False), (1_500, 1_600, True)],
)
def test_a_claim_holds_the_segments_that_it_overlaps(after, until, is_held):
    segments = chain({"tier": "deleted"}, {"age": 99 * DAY, "rows": 1_000, "tier": "archive"}, {})
    pin = Pin(holder="selection:cycle-7", after=after, until=until)
    assert due(segments, pins=(pin,)) == (None if is_held else ("delete", [1]))


def test_a_damaged_segment_is_not_repacked_but_deleted_when_it_is_old():
    segments = chain(*[{}] * 4, {}, *[{}] * RUN)
    assert due(segments, damaged={segments[4].digest}) == ("merge", list(range(5, 5 + RUN)))
    old = chain({"age": 91 * DAY})
    assert due(old, damaged={old[0].digest}) == ("delete", [0])


def test_rows_that_bring_times_of_their_own_are_kept_from_the_time_they_came():
    imported = {"min_at_us": 0, "max_at_us": MICROS, "rows": 100_000}
    assert due(chain(imported)) is None
    assert due(chain(imported | {"age": 90 * DAY})) == ("delete", [0])
