"""How much a cycle may ask for, from what people were seen to answer."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.orchestrate.throughput import Day, asked_within_a_week, capped, censored_median, measured
from loopline.ports.task_queue import Answers
from loopline.records.settings import SelectSettings
from loopline.records.throughput import Throughput
from loopline.testing.factories import NOW, annotation, cycle, selection, task

DAY = timedelta(days=1)


def batch(name: str, *days: tuple[int, int], stratum: str = "chosen", people: Sequence[str] = ("ana",)) -> Answers:
    """So many tasks answered so many days ago, each by all of these people; the last day finished the batch."""
    tasks, answers = [], []
    for ago, count in days:
        for number in range(count):
            asked = task(f"{name}/{ago}/{number}", stratum=stratum)
            tasks.append(asked)
            answers += [
                annotation(f"{asked.id}/{who}", task=asked.id, annotator=who, at=NOW - ago * DAY) for who in people
            ]
    return Answers(tasks=tuple(tasks), annotations=tuple(answers), skips=())


WEEK_OF_FORTY = batch("a", *((ago, 40) for ago in range(9, 2, -1)), (2, 12))


@pytest.mark.parametrize(
    ("batches", "found"),
    [
        pytest.param((), None, id="nobody answered yet"),
        pytest.param((batch("a", (2, 40), (1, 40)),), None, id="two days tell nothing of a usual one"),
        pytest.param((WEEK_OF_FORTY,), (1, 10, 40.0), id="a batch that took more than a week"),
        pytest.param(
            (batch("a", (9, 40), (8, 40), (7, 3), (6, 40), (5, 900), (4, 1)),), (1, 10, 40.0), id="odd days do no harm"
        ),
        pytest.param(
            tuple(batch(str(ago), (ago, 5)) for ago in range(9, 0, -1)), (1, 10, None), id="a batch done each day"
        ),
        pytest.param(
            (WEEK_OF_FORTY, batch("b", (1, 5)), batch("c", (0, 5))), (1, 10, 40.0), id="small ones change nothing"
        ),
        pytest.param((batch("a", *((ago, 40) for ago in range(40, 28, -1))),), None, id="long ago"),
        pytest.param(
            (batch("a", (5, 40), (4, 40), (3, 40), (2, 1), people=("ana", "bob")),),
            (2, 6, 40.0),
            id="two answers a label are one label",
        ),
        pytest.param(
            (batch("a", (5, 20), (4, 20), (3, 20), (2, 1)),
             batch("g", (5, 20), (4, 20), (3, 20), (2, 1), stratum="gold")),
            (1, 6, 20.0),
            id="gold is work, and no label",
        ),
        pytest.param((batch("g", (5, 20), (4, 20), (3, 20), stratum="reserve"),), None, id="nothing that is paid for"),
    ],
)  # fmt: skip
def test_what_people_do_is_measured(batches, found):
    throughput = measured(batches, now=NOW)
    assert (throughput and (throughput.people, throughput.days, throughput.labels_a_day)) == found


def test_a_last_day_that_was_cut_short_is_a_lower_bound():
    still = batch("a", (3, 40), (2, 40), (1, 40), (0, 2))
    assert measured([still], now=NOW).labels_a_day == 40.0
    assert measured([batch("a", (2, 9), (1, 9), (0, 9))], now=NOW).labels_a_day == 9.0


@given(st.lists(st.builds(Day, st.integers(0, 100), st.just(True)), min_size=1))
def test_without_censored_days_it_is_the_upper_median(days):
    assert censored_median(days) == sorted(day.labels for day in days)[len(days) // 2]


@given(st.lists(st.builds(Day, st.integers(0, 100), st.booleans())), st.integers(0, 100))
def test_a_day_on_which_the_tasks_ran_out_never_lowers_it(days, labels):
    before, after = censored_median(days), censored_median([*days, Day(labels, is_full=False)])
    assert after is None or (before is not None and after >= before)


FOUR = Throughput(people=4, days=14, labels_a_day=40.0)
FORTY = "4 people labelled 40 a day over the last 14 days, and a cycle lasts"


@pytest.mark.parametrize(
    ("throughput", "hours", "changes", "asked", "budget", "reason"),
    [
        (FOUR, 72, {}, 0, 120, f"120 of 200: {FORTY} 3 d"),
        (FOUR, 120, {}, 0, 200, f"200 as configured: {FORTY} 5 d"),
        (FOUR, 6, {}, 0, 40, f"40 of 200: {FORTY} 6 h, which counts as a day"),
        (FOUR, 72, {"throughput": False}, 0, 200,
         "200 as configured: throughput = false, so that it does not follow what people answer"),
        (None, 72, {}, 0, 200, "200 as configured: how much people answer is not measured yet"),
        (Throughput(people=1, days=9, labels_a_day=None), 72, {}, 0, 200,
         "200 as configured: 1 person answered all there was on most days over the last 9 days"),
        (Throughput(people=1, days=9, labels_a_day=0.2), 24, {}, 0, 1,
         "1 of 200: 1 person labelled 0.2 a day over the last 9 days, and a cycle lasts 1 d"),
        (None, 72, {"weekly": 500}, 420, 80,
         "80 of 200: 420 were chosen in the last 7 days, and 500 a week are the most"),
        (FOUR, 72, {"weekly": 500}, 420, 80,
         "80 of 200: 420 were chosen in the last 7 days, and 500 a week are the most"),
        (FOUR, 72, {"weekly": 500}, 300, 120, f"120 of 200: {FORTY} 3 d"),
        (FOUR, 72, {"weekly": 1_500}, 1_600, 0,
         "0 of 200: 1,600 were chosen in the last 7 days, and 1,500 a week are the most"),
        (FOUR, 120, {"weekly": 500}, 300, 200, f"200 as configured: {FORTY} 5 d"),
    ],
)  # fmt: skip
def test_a_cycle_asks_for_no_more_than_can_be_answered(throughput, hours, changes, asked, budget, reason):
    cap = capped(
        200, settings=SelectSettings(**changes), throughput=throughput, cycle_seconds=hours * 3_600, asked=asked
    )
    assert cap == (budget, reason)


@given(
    st.integers(1, 10_000),
    st.none() | st.floats(0, 1e6).map(lambda rate: Throughput(people=2, days=9, labels_a_day=rate)),
    st.floats(1, 1e7),
    st.integers(0, 10_000),
    st.integers(0, 10_000),
)
def test_the_budget_is_never_exceeded_and_no_pace_brings_it_to_nothing(budget, throughput, seconds, weekly, asked):
    settings = SelectSettings(weekly=weekly)
    found = capped(budget, settings=settings, throughput=throughput, cycle_seconds=seconds, asked=asked).budget
    assert 0 <= found <= budget
    assert found > 0 or (weekly and asked >= weekly)
    assert not weekly or found + asked <= max(weekly, asked)


def test_a_week_counts_what_its_cycles_chose():
    cycles = [cycle(number=number, opened_at=NOW - ago * DAY) for number, ago in ((1, 8), (2, 6), (3, 0))]
    chosen = [selection(cycle=number) for number in (1, 2, 3)]
    each = len(chosen[0].candidates)
    assert each > 0
    assert asked_within_a_week(cycles, chosen, now=NOW) == 2 * each
    assert asked_within_a_week(cycles, chosen[:1], now=NOW) == 0
