"""The recipe: the scores of the log in, Measurements and Signals out."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from loopline.monitor.alarm import observed, outlived
from loopline.monitor.ticks import SIGNALS, answers, signals_of, whole_ticks
from loopline.monitor.watch import unmeasured
from loopline.ports.prediction_log import ScoreLog
from loopline.records.ids import VersionName
from loopline.records.settings import Settings
from loopline.records.signal import Measurement, Signal


class Measured(NamedTuple):
    """What a measurement changed."""

    measurements: tuple[Measurement, ...]
    """The new state of each signal; empty when there was nothing to count."""
    signals: tuple[Signal, ...]
    """Newly raised or cleared, each once, in its latest state."""


def measure(  # noqa: PLR0913  stage recipes take their ports by name
    scores: ScoreLog,
    *,
    version: VersionName,
    previous: tuple[Measurement, ...],
    raised: tuple[Signal, ...],
    since: int,
    until: int,
    settings: Settings,
    now: datetime,
) -> Measured:
    """Count what the live version answered up to ``until`` in whole ticks, and say whether its scores have drifted.

    The version's first ``monitor.reference`` answers after log position ``since``, where it went live (rounded up to
    whole ticks), freeze its reference; until then there is no alarm. Rows short of a tick wait. A signal is raised
    once, and cleared after 6 quiet ticks or when its version is no longer the live one. Measuring in two calls or in
    one gives the same state.
    """
    held = {state.signal: state for state in previous if state.version == version}
    states = {
        name: held.get(name) or unmeasured(settings.name, version=version, signal=name, since=since) for name in SIGNALS
    }
    after = min(state.position for state in states.values())
    changed = {s.id: outlived(s, live=version, at=now) for s in raised if s.version != version}
    opened = {s.signal: s for s in raised if s.version == version}
    if until <= after:
        return Measured((), tuple(changed.values()))
    rows = scores.scores(after=after, until=until)
    at = answers(rows.arm, rows.model, rows.failed, version=version)
    values = signals_of(rows.top[at], rows.margin[at], rows.entropy[at], classes=len(settings.signature.labels))
    ticks = whole_ticks(values, rows.position[at], rows.at_us[at], size=settings.monitor.tick)
    for tick in ticks:
        for name in SIGNALS:
            states[name], signal = observed(states[name], tick, open_signal=opened.get(name), rules=settings.monitor)
            if signal is not None:
                changed[signal.id] = signal
                opened[name] = signal
    waiting = at[len(ticks) * settings.monitor.tick :]
    reached = int(rows.position[waiting[0]]) - 1 if len(waiting) else until
    moved = tuple(msgspec.structs.replace(state, position=reached) for state in states.values())
    is_news = moved != tuple(held.get(name) for name in SIGNALS)
    return Measured(moved if is_news else (), tuple(changed.values()))
