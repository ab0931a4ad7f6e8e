"""The pictures' geometry: what is drawn stands where its number says."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from loopline.apps.web.chart import HEIGHT, WIDTH, chart_of, points_of, wilson
from loopline.apps.web.histogram import BARS, folded, outline_of
from loopline.testing import factories as make


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_statsmodels(counts):
    right, n = counts
    lower, upper = proportion_confint(right, n, alpha=0.05, method="wilson")
    assert wilson(right / n, n) == pytest.approx((lower, upper), abs=1e-6)


def test_nothing_seen_says_nothing():
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_each_verdict_gives_incumbent_and_challenger_on_each_part():
    parts = (make.comparison(), make.comparison(part="anchor", n=1_000), make.comparison(part="channel=web"))
    points = points_of((make.verdict(comparisons=parts),))
    seen = [(point.part, point.role, point.version, point.value) for point in points]
    assert seen == [
        ("fresh", "incumbent", "v1", 0.70), ("fresh", "challenger", "v2", 0.72),
        ("anchor", "incumbent", "v1", 0.70), ("anchor", "challenger", "v2", 0.72),
    ]  # fmt: skip


def test_no_verdict_gives_no_chart():
    assert chart_of(()) is None
    assert chart_of(points_of((make.verdict(comparisons=(make.comparison(n=0),)),))) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 5_000)), min_size=1, max_size=12))
def test_every_mark_lies_on_the_drawing_and_higher_is_better(rows):
    verdicts = tuple(
        make.verdict(cycle=i, comparisons=(make.comparison(incumbent=old, challenger=new, n=n),))
        for i, (old, new, n) in enumerate(rows)
    )
    chart = chart_of(points_of(verdicts))
    assert chart is not None
    for mark in chart.marks:
        assert 0 <= mark.top <= mark.y <= mark.bottom <= HEIGHT
        assert 0 <= mark.x <= WIDTH
    order = sorted(chart.marks, key=lambda mark: mark.point.value)
    assert all(a.y >= b.y for a, b in pairwise(order))


@given(
    st.sampled_from(["macro_f1", "log_score"]),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12),
)
def test_metrics_that_are_no_share_of_rows_are_drawn_without_intervals(metric, rows):
    sign = -9 if metric == "log_score" else 1
    verdicts = tuple(
        make.verdict(cycle=i, metric=metric, comparisons=(make.comparison(incumbent=sign * a, challenger=sign * b),))
        for i, (a, b) in enumerate(rows)
    )
    chart = chart_of(points_of(verdicts))
    assert chart is not None
    assert (chart.metric, chart.unit) == (metric, "nats" if metric == "log_score" else "%")
    for mark in chart.marks:
        assert mark.point.interval is None
        assert 0 <= mark.top == mark.y == mark.bottom <= HEIGHT
    assert 2 <= len(chart.rows) <= 12
    assert len({row.label for row in chart.rows}) == len(chart.rows)


def test_two_metrics_share_no_axis():
    verdicts = (make.verdict(), make.verdict(cycle=2, metric="log_score"), make.verdict(cycle=3))
    assert {point.cycle for point in points_of(verdicts)} == {1, 3}
    assert {point.cycle for point in points_of(verdicts[:2])} == {2}


def test_the_challengers_of_a_part_are_joined_in_order_of_cycles():
    verdicts = tuple(make.verdict(cycle=n, comparisons=(make.comparison(),)) for n in (1, 2, 3))
    chart = chart_of(points_of(verdicts))
    assert chart is not None
    marks = [mark for mark in chart.marks if mark.point.role == "challenger"]
    assert chart.paths["fresh"] == f"M{marks[0].x} {marks[0].y} L{marks[1].x} {marks[1].y} L{marks[2].x} {marks[2].y}"
    assert chart.paths["anchor"] == ""
    assert [column.label for column in chart.columns] == ["cycle 1", "cycle 2", "cycle 3"]


@pytest.mark.slow
@given(st.lists(st.integers(0, 100), min_size=1_024, max_size=1_024))
def test_folding_keeps_every_count(counts):
    bars = folded(tuple(counts))
    assert len(bars) == BARS
    assert sum(bars) == sum(counts)


def test_an_outline_holds_shares_of_each_histogram():
    histogram = (1,) * 512 + (0,) * 512
    outline = outline_of(make.measurement(reference=histogram, latest=histogram[::-1]))
    assert outline is not None
    assert sum(bar.reference for bar in outline.bins) == pytest.approx(1)
    assert [bar.latest for bar in outline.bins[:16]] == [0.0] * 16
    assert outline_of(make.measurement(reference=histogram, latest=(0,) * 1_024)) is None
