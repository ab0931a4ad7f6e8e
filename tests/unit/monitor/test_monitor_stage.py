from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.monitor.histogram import histogram
from loopline.monitor.stage import Measured, measure
from loopline.monitor.ticks import SIGNALS
from loopline.ports.prediction_log import Scores
from loopline.records.settings import MonitorSettings, Settings
from loopline.records.signal import Measurement, Signal
from loopline.records.signature import Signature

NOW = datetime(2026, 1, 1, tzinfo=UTC)
START_US = int(NOW.timestamp() * 1e6)
STEP_US = 3_000_000
LABELS = ("negative", "neutral", "positive")
SETTINGS = Settings(
    name="s",
    signature=Signature(input="text", labels=LABELS),
    folder=".",
    monitor=MonitorSettings(tick=100, reference=800),
)


class FixedScores:
    """A log that holds these scores."""

    def __init__(self, rows: Scores) -> None:
        self.held = rows

    def scores(self, *, after: int, until: int) -> Scores:
        inside = (self.held.position > after) & (self.held.position <= until)
        return Scores(*(column[inside] for column in self.held))


def log_of(top: np.ndarray, *, model: str = "v1", arm: str = "incumbent", step_us: int = STEP_US) -> Scores:
    n = len(top)
    rest = (1 - top) / 2
    entropy = -(top * np.log(np.maximum(top, 1e-12)) + 2 * rest * np.log(np.maximum(rest, 1e-12)))
    return Scores(
        position=np.arange(1, n + 1),
        at_us=START_US + np.arange(n) * step_us,
        id=np.array([f"p{i}" for i in range(n)], object),
        model=np.array([model] * n, object),
        arm=np.array([arm] * n, object),
        label=np.array(["positive"] * n, object),
        top=top.astype(np.float32),
        margin=np.abs(top - rest).astype(np.float32),
        entropy=entropy.astype(np.float32),
        latency_us=np.full(n, 100),
        failed=np.zeros(n, np.bool_),
    )


def tops(*parts: tuple[float, int], seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = 6.0
    return np.concatenate([1 / 3 + 2 / 3 * rng.beta(m * size, (1 - m) * size, n) for m, n in parts])


class Watcher:
    """Calls the recipe as the runner does, and keeps what it gives as the ledger does."""

    def __init__(self, rows: Scores, *, settings: Settings = SETTINGS) -> None:
        self.log, self.settings = FixedScores(rows), settings
        self.measurements: dict[str, Measurement] = {}
        self.signals: dict[str, Signal] = {}

    def measure(self, until: int, *, version: str = "v1") -> Measured:
        measured = measure(
            self.log,
            version=version,
            previous=tuple(self.measurements.values()),
            raised=tuple(s for s in self.signals.values() if s.state == "raised"),
            since=0,
            until=until,
            settings=self.settings,
            now=NOW,
        )
        self.measurements |= {m.id: m for m in measured.measurements}
        self.signals |= {s.id: s for s in measured.signals}
        return measured

    def state(self, signal: str = "top-probability", version: str = "v1") -> Measurement:
        return self.measurements[f"s/{version}/{signal}"]


def test_the_first_answers_become_the_reference_without_alarm() -> None:
    watcher = Watcher(log_of(tops((0.2, 400), (0.9, 400))))
    assert watcher.measure(800).signals == ()
    state = watcher.state()
    assert (state.reference_n, len(state.clean), state.ticks, state.quiet, state.evidence) == (800, 8, 8, 0, ())
    assert state.tolerance > 0.05


def test_a_reference_that_no_tick_divides_is_rounded_up() -> None:
    settings = msgspec.structs.replace(SETTINGS, monitor=MonitorSettings(tick=200, reference=500))
    watcher = Watcher(log_of(tops((0.6, 1_000))), settings=settings)
    watcher.measure(1_000)
    assert (watcher.state().reference_n, watcher.state().ticks) == (600, 5)


def test_every_signal_is_measured_once() -> None:
    watcher = Watcher(log_of(tops((0.6, 1_000))))
    assert tuple(m.signal for m in watcher.measure(1_000).measurements) == SIGNALS


def test_a_drop_in_confidence_is_raised_once_with_its_sentence() -> None:
    watcher = Watcher(log_of(tops((0.66, 800), (0.5, 2_000))))
    for until in range(100, 2_801, 100):
        watcher.measure(until)
    (signal,) = [s for s in watcher.signals.values() if s.signal == "top-probability"]
    assert signal.state == "raised"
    assert signal.id == f"s/v1/top-probability/{signal.position}"
    assert 900 <= signal.position <= 1_800
    assert signal.reason == (
        f"top probability of v1 fell from mean {signal.reference_mean:.2f} to {signal.latest_mean:.2f} "
        f"(n = 800 against 100): log evidence {signal.e_value:.1f} passed 12.7 for at most 1 false alarm a year"
    )
    assert signal.raised_at == NOW + timedelta(microseconds=(signal.position - 1) * STEP_US)
    assert 0 < signal.severity <= 1
    assert watcher.state().e_value >= watcher.state().threshold * 0.5


def test_a_steady_stream_is_quiet() -> None:
    watcher = Watcher(log_of(tops((0.6, 10_800))))
    watcher.measure(10_800)
    assert watcher.signals == {}
    assert watcher.state().quiet == 100


def test_a_signal_is_cleared_six_quiet_ticks_after_the_world_has_come_back() -> None:
    watcher = Watcher(log_of(tops((0.66, 800), (0.5, 1_500), (0.66, 3_000))))
    watcher.measure(2_300)
    raised = {s.id for s in watcher.signals.values() if s.state == "raised"}
    assert any("top-probability" in name for name in raised)
    watcher.measure(5_300)
    assert set(watcher.signals) == raised
    for signal in watcher.signals.values():
        assert signal.state == "cleared"
        assert signal.cleared_at is not None
        assert signal.cleared_at > signal.raised_at
        assert " is back within 0.0" in signal.reason
        assert "of its reference for 6 ticks (mean " in signal.reason
    assert watcher.state().quiet > 6


def test_a_drift_that_stays_does_not_flicker() -> None:
    watcher = Watcher(log_of(tops((0.66, 800), (0.53, 8_000))))
    for until in range(800, 8_801, 300):
        watcher.measure(until)
    assert all(s.state == "raised" for s in watcher.signals.values())
    assert len(watcher.signals) == 3


@checks(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3_200), max_size=6), st.integers(0, 1_000))
def test_measuring_in_many_calls_is_measuring_in_one(stops: list[int], seed: int) -> None:
    rows = log_of(tops((0.66, 800), (0.5, 1_200), (0.66, 1_200), seed=seed))
    rows.arm[::7] = "shadow"
    rows.failed[::11] = True
    once, often = Watcher(rows), Watcher(rows)
    once.measure(3_200)
    for until in [*sorted(stops), 3_200]:
        often.measure(until)
    assert often.measurements == once.measurements
    assert often.signals == once.signals


def test_only_live_answers_of_the_version_count() -> None:
    rows = log_of(tops((0.6, 1_200)))
    rows.arm[:100] = "shadow"
    rows.arm[100:200] = "direct"
    rows.model[200:300] = "v0"
    rows.failed[300:400] = True
    rows.arm[400:500] = "canary"
    watcher = Watcher(rows)
    watcher.measure(1_200)
    assert watcher.state().reference_n == 800
    assert watcher.state().position == 1_200


def test_rows_short_of_a_tick_wait() -> None:
    watcher = Watcher(log_of(tops((0.6, 250))))
    watcher.measure(250)
    assert (watcher.state().position, watcher.state().reference_n) == (200, 200)
    assert watcher.measure(250).measurements == ()


def test_rows_of_others_are_passed_over() -> None:
    watcher = Watcher(log_of(tops((0.6, 250)), model="v9"))
    watcher.measure(250)
    assert (watcher.state().position, watcher.state().reference_n) == (250, 0)
    assert watcher.measure(250) == Measured((), ())


def test_a_version_that_is_no_longer_live_has_its_signals_cleared() -> None:
    watcher = Watcher(log_of(tops((0.66, 800), (0.5, 1_500))))
    watcher.measure(2_300)
    raised = watcher.signals["s/v1/top-probability/" + str(next(iter(watcher.signals.values())).position)]
    watcher.measure(2_300, version="v2")
    cleared = watcher.signals[raised.id]
    assert (cleared.state, cleared.cleared_at) == ("cleared", NOW)
    assert cleared.reason == f"v1 is no longer live, v2 is; raised because {raised.reason}"
    assert all(s.state == "cleared" for s in watcher.signals.values())


def test_each_version_has_its_own_reference() -> None:
    first, second = log_of(tops((0.66, 900))), log_of(tops((0.5, 900)), model="v2")
    rows = Scores(*(np.concatenate([a, b]) for a, b in zip(first, second, strict=True)))
    rows = rows._replace(position=np.arange(1, 1_801))
    watcher = Watcher(rows)
    watcher.measure(900)
    watcher.measure(1_800, version="v2")
    assert watcher.signals == {}
    assert watcher.state(version="v2").reference_n == 800


def test_the_threshold_follows_the_measured_pace() -> None:
    thresholds = []
    for step_us in (0, 60_000_000, STEP_US, 10_000):
        watcher = Watcher(log_of(tops((0.6, 800)), step_us=step_us))
        watcher.measure(800)
        thresholds.append(watcher.state().threshold)
    assert thresholds[:3] == pytest.approx([12.66] * 3, abs=0.01)
    assert thresholds[3] == pytest.approx(12.66 + np.log(300), abs=0.01)


def test_a_classifier_that_is_always_certain_is_measured_without_alarm() -> None:
    watcher = Watcher(log_of(np.ones(1_500)))
    watcher.measure(1_500)
    assert watcher.signals == {}
    assert all(np.isfinite(m.evidence).all() for m in watcher.measurements.values())


def test_states_survive_their_stored_form() -> None:
    watcher = Watcher(log_of(tops((0.66, 800), (0.5, 700))))
    watcher.measure(1_500)
    for state in watcher.measurements.values():
        assert msgspec.json.decode(msgspec.json.encode(state), type=Measurement) == state


def test_the_threshold_is_the_mean_over_the_ticks_of_the_reference() -> None:
    rows = log_of(tops((0.6, 800)))
    busy = START_US + 699 * STEP_US + np.arange(1, 101) * (STEP_US // 300)
    watcher = Watcher(rows._replace(at_us=np.concatenate([rows.at_us[:700], busy])))
    watcher.measure(800)
    assert watcher.state().threshold == pytest.approx(12.66 + np.log(300) / 8, abs=0.01)


def test_what_a_version_answered_before_it_went_live_is_not_its_reference() -> None:
    rows = log_of(tops((0.9, 300), (0.5, 1_000)))
    found = measure(
        FixedScores(rows), version="v1", previous=(), raised=(), since=300, until=1_300, settings=SETTINGS, now=NOW
    )
    assert found.signals == ()
    (state,) = (state for state in found.measurements if state.signal == "top-probability")
    assert state.reference == tuple(histogram(rows.top[300:1_100]).tolist())
