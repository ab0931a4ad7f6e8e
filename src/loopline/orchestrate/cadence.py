"""How often the loop turns and how much it asks for, following drift: faster at once, slower with patience.

With severity s in [0, 1] the interval is ``base * (min / base) ** s``, the budget
``base * (1 + 2 s)`` up to its cap, and the audit share moves from its base to its cap in proportion.
"""

from datetime import datetime, timedelta

from loopline.records.command import Situation
from loopline.records.cycle import Cadence
from loopline.records.settings import Settings

QUIET_TICKS = 6
"""Ticks without an alarm before the loop may turn slower."""
RELAX = 0.7
"""One relaxation slows the pace to no less than this share of what it was."""
QUIET_DAYS = 7
"""Days without an alarm after which the loop rests at its slowest pace."""


def interval_at(severity: float, *, settings: Settings) -> float:
    """Seconds between cycles at this severity: from the configured pace at 0 to the minimum at 1.

    >>> from loopline.testing.factories import settings
    >>> round(interval_at(0.0, settings=settings())), round(interval_at(1.0, settings=settings()))
    (21600, 7200)
    """
    base = settings.select.every_seconds or settings.cadence.max_seconds
    fastest = min(settings.cadence.min_seconds, base)
    return float(base * (fastest / base) ** severity)


def budget_at(severity: float, *, settings: Settings) -> int:
    """Labels a cycle asks for at this severity, never past the cap."""
    base = settings.select.budget
    cap = settings.cadence.budget_max or 3 * base
    return min(cap, round(base * (1 + 2 * severity)))


def explore_at(severity: float, *, settings: Settings) -> float:
    """The audit share at this severity."""
    base = settings.select.explore
    return base + max(0.0, settings.cadence.explore_max - base) * severity


def next_cadence(situation: Situation, now: datetime) -> Cadence | None:
    """The cadence to set now, or None to keep the present one."""
    settings, current = situation.settings, situation.cadence
    worst = max(situation.signals, key=lambda signal: (signal.severity, signal.id), default=None)
    severity = worst.severity if worst else 0.0
    if current is None:
        return _cadence(situation, now, severity=0.0, interval=interval_at(0.0, settings=settings), why="as configured")
    target = interval_at(severity, settings=settings)
    if current.settings != written(settings):
        return _cadence(situation, now, severity=severity, interval=target, why="loop.toml asks for it now")
    if worst and target < current.interval_seconds * 0.99:
        return _cadence(situation, now, severity=severity, interval=target, why=worst.reason)
    if worst or situation.quiet < QUIET_TICKS:
        return None
    return _relaxed(situation, current, now)


def written(settings: Settings) -> str:
    """What ``loop.toml`` says about pace, budgets and bounds, as one text to compare."""
    asked, bounds = settings.select, settings.cadence
    return f"{asked.every_seconds} {asked.budget} {asked.explore} {bounds}"


def _relaxed(situation: Situation, current: Cadence, now: datetime) -> Cadence | None:
    settings, rested = situation.settings, now - current.since
    target = interval_at(0.0, settings=settings)
    if rested >= timedelta(days=QUIET_DAYS) and current.interval_seconds >= target:
        target = max(target, settings.cadence.max_seconds)
    if current.interval_seconds >= target or rested < timedelta(seconds=current.interval_seconds):
        return None
    interval = min(target, current.interval_seconds / RELAX)
    severity = max(0.0, current.severity - (1 - RELAX)) if interval < target else 0.0
    why = f"no alarm in the last {situation.quiet} ticks; slower by at most a factor of {RELAX}"
    return _cadence(situation, now, severity=severity, interval=interval, why=why)


def _cadence(situation: Situation, now: datetime, *, severity: float, interval: float, why: str) -> Cadence:
    settings = situation.settings
    return Cadence(
        loop=settings.name,
        interval_seconds=interval,
        budget=budget_at(severity, settings=settings),
        explore=explore_at(severity, settings=settings),
        severity=severity,
        since=now,
        settings=written(settings),
        reason=f"a cycle every {spoken(interval)}, {budget_at(severity, settings=settings)} labels: {why}",
    )


def spoken(seconds: float) -> str:
    """A duration in the largest unit that fits.

    >>> spoken(45), spoken(150), spoken(7200), spoken(259200)
    ('45 s', '2.5 min', '2 h', '3 d')
    """
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
