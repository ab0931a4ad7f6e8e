"""Signals: raised once, cleared once, each with its sentence."""

from datetime import datetime

import msgspec
import numpy as np

from loopline.monitor.detector import log_threshold, ticks_a_year
from loopline.monitor.distance import severity
from loopline.monitor.histogram import mean
from loopline.monitor.ticks import SIGNALS, Tick
from loopline.monitor.watch import QUIET_TICKS, learned, tested
from loopline.records.ids import VersionName
from loopline.records.settings import MonitorSettings
from loopline.records.signal import Measurement, Signal

SAME = 0.005
"""Means closer than this are shown as equal."""


def observed(
    state: Measurement, tick: Tick, *, open_signal: Signal | None, rules: MonitorSettings
) -> tuple[Measurement, Signal | None]:
    """The state after one more tick, and the signal that this tick raised or cleared, if any.

    ``open_signal``: the last signal of this state's kind and version; one that is cleared counts as none.
    """
    still_open = open_signal if open_signal is not None and open_signal.state == "raised" else None
    counts, state = tick.counts[state.signal], msgspec.structs.replace(state, position=tick.position)
    if state.tolerance == 0.0:  # the reference is not frozen yet
        threshold = log_threshold(
            false_alarms_per_year=rules.false_alarms_per_year,
            ticks_per_year=ticks_a_year(tick.seconds),
            signals=len(SIGNALS),
        )
        return learned(
            state, counts, threshold=threshold, is_last=state.reference_n + rules.tick >= rules.reference
        ), None
    state = tested(state, counts, is_raised=still_open is not None)
    if still_open is None and state.quiet == 0:
        return state, raised(state, at=tick.at, false_alarms_per_year=rules.false_alarms_per_year)
    if still_open is not None and state.quiet >= QUIET_TICKS:
        return state, cleared(still_open, state, at=tick.at)
    return state, None


def raised(state: Measurement, *, at: datetime, false_alarms_per_year: float) -> Signal:
    """The signal of a state whose evidence has just passed its threshold; its id names loop, version, signal, place."""
    before, now = (mean(np.array(counts, np.int64)) for counts in (state.reference, state.latest))
    return Signal(
        id=f"{state.id}/{state.position}",
        loop=state.loop,
        version=state.version,
        signal=state.signal,
        state="raised",
        severity=severity(state.distance_upper, tolerance=state.tolerance),
        raised_at=at,
        cleared_at=None,
        position=state.position,
        e_value=state.e_value,
        threshold=state.threshold,
        reference_mean=before,
        latest_mean=now,
        reference_n=state.reference_n,
        latest_n=state.latest_n,
        reason=f"{_words(state)} {_change(before, now)} (n = {state.reference_n:,} against {state.latest_n:,}): "
        f"log evidence {state.e_value:.1f} passed {state.threshold:.1f} "
        f"for at most {false_alarms_per_year:g} false alarm{'' if false_alarms_per_year == 1 else 's'} a year",
    )


def cleared(signal: Signal, state: Measurement, *, at: datetime) -> Signal:
    """The signal ended, since the last ticks hold no evidence of drift."""
    now = mean(np.array(state.latest, np.int64))
    said = f"{_words(state)} is back within {state.tolerance:.3f} of its reference for {QUIET_TICKS} ticks"
    reason = f"{said} (mean {now:.2f}, n = {state.latest_n:,}); raised because {signal.reason}"
    return msgspec.structs.replace(signal, state="cleared", cleared_at=at, reason=reason)


def outlived(signal: Signal, *, live: VersionName, at: datetime) -> Signal:
    """The signal ended, since its version answers no more."""
    reason = f"{signal.version} is no longer live, {live} is; raised because {signal.reason}"
    return msgspec.structs.replace(signal, state="cleared", cleared_at=at, reason=reason)


def _words(state: Measurement) -> str:
    return f"{state.signal.replace('-', ' ')} of {state.version}"


def _change(before: float, now: float) -> str:
    if abs(before - now) < SAME:
        return f"changed its shape around mean {now:.2f}"
    return f"{'fell' if now < before else 'rose'} from mean {before:.2f} to {now:.2f}"
