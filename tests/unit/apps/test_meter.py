"""Counts kept while answering."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.apps.http.meter import BOUNDS_US, Latency, Meter
from loopline.errors import NotFound


def line(meter, model="v1", arm="incumbent"):
    return next(line.series for line in meter.lines() if (line.model, line.arm) == (model, arm))


def test_bounds_grow_by_at_most_two_from_ten_microseconds_to_half_a_minute():
    assert tuple(sorted(set(BOUNDS_US))) == BOUNDS_US
    assert (BOUNDS_US[0], BOUNDS_US[-1]) == (10, 30_000_000)
    assert all(after <= 2 * before for before, after in pairwise(BOUNDS_US))


@given(st.lists(st.integers(0, 10**9) | st.sampled_from(BOUNDS_US), max_size=50))
def test_each_duration_lies_in_the_bucket_whose_end_holds_it(durations):
    meter = Meter()
    for duration in durations:
        meter.answered("v1", "canary", duration, 1)
    latency = line(meter, arm="canary").whole if durations else Latency()
    assert latency.microseconds == sum(durations)
    assert sum(latency.buckets) == len(durations)
    for place, end in enumerate(BOUNDS_US):
        assert sum(latency.buckets[: place + 1]) == sum(duration <= end for duration in durations)


def test_rows_failures_and_the_models_own_time_are_kept_apart():
    meter = Meter()
    meter.answered("v1", "incumbent", 900, 32)
    meter.answered("v1", "incumbent", 100, 1)
    meter.computed("v1", "incumbent", 700)
    meter.failed("v1", "incumbent", 3)
    meter.computed("v2", "shadow", 50)
    series = line(meter)
    assert (series.rows, series.failed_rows) == (33, 3)
    assert (series.whole.microseconds, series.inside.microseconds) == (1_000, 700)
    assert (sum(series.whole.buckets), sum(series.inside.buckets)) == (2, 1)
    assert [(found.model, found.arm) for found in meter.lines()] == [("v1", "incumbent"), ("v2", "shadow")]
    assert line(meter, "v2", "shadow").rows == 0


def test_what_was_counted_of_versions_that_are_gone_is_forgotten():
    meter = Meter()
    for number in range(100):
        meter.answered(f"v{number}", "incumbent", 1, 1)
    meter.keep(("v98", "v99"))
    assert [found.model for found in meter.lines()] == ["v98", "v99"]


def test_refusals_are_counted_by_status():
    meter = Meter()
    for status in (503, 401, 503):
        meter.refused(status)
    assert meter.refusals() == {401: 1, 503: 2}


def test_gauges_are_asked_when_they_are_read_and_only_known_ones_are_taken():
    meter, depth = Meter(), [3]
    meter.show("queued_rows", lambda: depth[0])
    assert meter.gauges() == {"queued_rows": 3}
    depth[0] = 5
    assert meter.gauges() == {"queued_rows": 5}
    with pytest.raises(NotFound, match="no gauge 'anything'; known: in_flight, queued_requests"):
        meter.show("anything", lambda: 1)
