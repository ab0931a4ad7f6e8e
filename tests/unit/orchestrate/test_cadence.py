"""Faster at once, slower with patience, never past the bounds."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from loopline.orchestrate.cadence import budget_at, explore_at, interval_at, next_cadence
from loopline.records.command import Situation
from loopline.records.settings import CadenceSettings, SelectSettings
from loopline.testing.factories import NOW, cadence, settings, signal
from loopline.testing.situations import situation

PLAIN = settings()


@given(st.floats(0, 1))
def test_no_severity_leaves_the_bounds(severity: float) -> None:
    assert PLAIN.cadence.min_seconds <= interval_at(severity, settings=PLAIN) <= PLAIN.select.every_seconds
    assert PLAIN.select.budget <= budget_at(severity, settings=PLAIN) <= 3 * PLAIN.select.budget
    assert PLAIN.select.explore <= explore_at(severity, settings=PLAIN) <= PLAIN.cadence.explore_max


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_drift_never_means_slower_or_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert interval_at(high, settings=PLAIN) <= interval_at(low, settings=PLAIN)
    assert budget_at(high, settings=PLAIN) >= budget_at(low, settings=PLAIN)


def test_a_cap_on_the_budget_holds() -> None:
    capped = settings(cadence=CadenceSettings(budget_max=210))
    assert budget_at(1.0, settings=capped) == 210


def world(**changes: object) -> Situation:
    pace = cadence(interval_seconds=21_600.0, severity=0.0, since=NOW, budget=200)
    return situation(settings=PLAIN, cadence=pace, **changes)


def test_drift_makes_the_loop_turn_faster_at_once() -> None:
    raised = signal(severity=0.5, reason="top probability fell")
    faster = next_cadence(world(signals=(raised,)), NOW)
    assert faster is not None
    assert round(faster.interval_seconds) == round((21_600 * 7_200) ** 0.5)
    assert faster.budget == 400
    assert faster.reason == "a cycle every 3.46 h, 400 labels: top probability fell"


def test_a_signal_already_answered_changes_nothing() -> None:
    state = world(signals=(signal(severity=0.5),))
    faster = next_cadence(state, NOW)
    assert next_cadence(structs.replace(state, cadence=faster), NOW) is None


def test_slower_only_after_six_quiet_ticks_and_one_interval_and_by_a_bounded_step() -> None:
    fast = cadence(interval_seconds=7_200.0, severity=1.0, since=NOW)
    state = structs.replace(world(quiet=6), cadence=fast)
    rested = NOW + timedelta(seconds=7_201)
    assert next_cadence(structs.replace(state, quiet=5), rested) is None
    assert next_cadence(state, NOW + timedelta(seconds=7_199)) is None
    slower = next_cadence(state, rested)
    assert slower is not None
    assert slower.interval_seconds == 7_200 / 0.7
    assert 0 < slower.severity < 1


def test_after_seven_quiet_days_the_loop_rests_at_its_slowest() -> None:
    state = world(quiet=600)
    assert next_cadence(state, NOW + timedelta(days=6)) is None
    slower = next_cadence(state, NOW + timedelta(days=7))
    assert slower is not None
    assert slower.interval_seconds == 21_600 / 0.7


def test_a_new_pace_in_loop_toml_holds_at_once() -> None:
    quicker = settings(select=SelectSettings(every_seconds=3_600, budget=50))
    changed = next_cadence(structs.replace(world(), settings=quicker), NOW)
    assert changed is not None
    assert (changed.interval_seconds, changed.budget) == (3_600.0, 50)
    assert changed.reason == "a cycle every 1 h, 50 labels: loop.toml asks for it now"
    assert next_cadence(structs.replace(world(), settings=quicker, cadence=changed), NOW) is None
