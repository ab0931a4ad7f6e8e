"""One tick of one signal: the reference fills, then each tick is held against it."""

import msgspec
import numpy as np

from loopline.monitor.detector import capped, coins, mixture, updated
from loopline.monitor.distance import distance, distance_upper
from loopline.monitor.histogram import BINS, Counts
from loopline.monitor.tolerance import tolerance
from loopline.records.ids import LoopName, VersionName
from loopline.records.signal import Measurement

QUIET_TICKS = 6
"""Ticks in a row without evidence after which a raised signal is cleared."""
STILL_LOUD = 0.5
"""While raised, a tick is quiet once the log evidence has sunk below this share of the threshold: a drift that stays
pushes it back up within a tick or two, so that the signal does not flicker."""


def unmeasured(loop: LoopName, *, version: VersionName, signal: str, since: int = 0) -> Measurement:
    """The state before the first tick: nothing counted, beginning after log position ``since``.

    >>> unmeasured("sentiment", version="v1", signal="margin").id
    'sentiment/v1/margin'
    """
    nothing = (0,) * BINS
    return Measurement(
        id=f"{loop}/{version}/{signal}", loop=loop, version=version, signal=signal, position=since,
        reference=nothing, reference_n=0, latest=nothing, latest_n=0, tolerance=0.0, clean=(), evidence=(),
        e_value=0.0, threshold=0.0, distance=0.0, distance_upper=0.0, ticks=0, quiet=0,
    )  # fmt: skip


def learned(state: Measurement, tick: Counts, *, threshold: float, is_last: bool) -> Measurement:
    """The state after a tick that still belongs to the reference; the last one freezes it and sets the tolerance.

    ``threshold``: what this tick's pace asks for; the stored one is the mean over the reference's ticks.
    """
    clean = (*state.clean, _stored(tick))
    reference = np.array(state.reference, np.int64) + tick
    return msgspec.structs.replace(
        state,
        reference=_stored(reference),
        reference_n=int(reference.sum()),
        latest=clean[-1],
        latest_n=int(tick.sum()),
        clean=clean,
        tolerance=tolerance([np.array(counts, np.int64) for counts in clean]) if is_last else 0.0,
        threshold=state.threshold + (threshold - state.threshold) / len(clean),
        ticks=state.ticks + 1,
    )


def tested(state: Measurement, tick: Counts, *, is_raised: bool) -> Measurement:
    """The state after a tick held against the frozen reference.

    ``quiet`` is 0 exactly when the tick is an alarm: the evidence has reached the threshold or, while the signal is
    raised, not yet sunk to half of it. ``e_value`` is the evidence as found; ``evidence`` never stays above the
    threshold, and starts again when a raised signal is cleared.
    """
    reference = np.array(state.reference, np.int64)
    watched = coins(reference, tolerance=state.tolerance)
    evidence = updated(np.array(state.evidence, np.float64), tick, watched)
    reached = mixture(evidence)
    is_alarm = reached >= state.threshold * (STILL_LOUD if is_raised else 1.0)
    quiet = 0 if is_alarm else state.quiet + 1
    ends = is_raised and quiet >= QUIET_TICKS
    return msgspec.structs.replace(
        state,
        latest=_stored(tick),
        latest_n=int(tick.sum()),
        evidence=() if ends else tuple(capped(evidence, threshold=state.threshold).tolist()),
        e_value=reached,
        distance=distance(tick, reference),
        distance_upper=distance_upper(tick, reference),
        ticks=state.ticks + 1,
        quiet=quiet,
    )


def _stored(counts: Counts) -> tuple[int, ...]:
    return tuple(counts.tolist())
