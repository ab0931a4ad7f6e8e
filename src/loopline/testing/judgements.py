"""Factories for what is said about versions: verdicts, rollouts, traffic splits, measurements, signals.

Imported from ``loopline.testing.factories`` like the rest.
"""

import msgspec

from loopline.records.comparison import Arm, StrategyComparison, Trial
from loopline.records.evaluation import Comparison, Verdict
from loopline.records.ids import VersionName
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.signal import Measurement, Signal
from loopline.testing.scene import LOOP, NOW, digest


def comparison(**changes: object) -> Comparison:
    """The challenger is two points better on 200 fresh rows."""
    default = Comparison(
        part="fresh",
        n=200,
        incumbent=0.70,
        challenger=0.72,
        difference=0.02,
        lower=-0.005,
        upper=0.045,
        power=0.8,
        outcome="pass",
        reason="no worse than 0.01",
    )
    return msgspec.structs.replace(default, **changes)


def verdict(**changes: object) -> Verdict:
    """``v2`` passes against ``v1``."""
    default = Verdict(
        id="cycle-1",
        loop=LOOP,
        cycle=1,
        challenger=VersionName("v2"),
        incumbent=VersionName("v1"),
        metric="accuracy",
        margin=0.01,
        decision=1,
        alpha=0.03,
        comparisons=(comparison(),),
        leaks=0,
        outcome="pass",
        reason="no worse than 0.01 on fresh rows",
    )
    return msgspec.structs.replace(default, **changes)


def trial(**changes: object) -> Trial:
    """Both small models were trained, with 24 labels each beside 400 rows."""
    chosen = Arm(kind="chosen", artifact=digest(b"chosen"), engine="sklearn", seconds=1.5)
    random = Arm(kind="random", artifact=digest(b"random"), engine="sklearn", seconds=1.25)
    default = Trial(after=0, labels=24, shared=400, arms=(chosen, random), seconds=2.75)
    return msgspec.structs.replace(default, **changes)


def strategy_comparison(cycle: int = 1, **changes: object) -> StrategyComparison:
    """Chosen labels were three points better than random ones on 700 reserve rows."""
    default = StrategyComparison(
        id=f"cycle-{cycle}",
        loop=LOOP,
        cycle=cycle,
        at=NOW,
        asked="cluster-margin.v1",
        strategy="cluster-margin.v1",
        metric="accuracy",
        trial=trial(),
        reserve=700,
        chosen=0.78,
        random=0.75,
        before=0.70,
        difference=0.03,
        low=0.01,
        high=0.05,
        excess=0.0175,
        excess_error=0.01,
        finding="better",
        reason="chosen labels beat random ones",
    )
    return msgspec.structs.replace(default, **changes)


def rollout(**changes: object) -> Rollout:
    """``v2`` in shadow."""
    default = Rollout(
        id="cycle-1",
        loop=LOOP,
        cycle=1,
        challenger=VersionName("v2"),
        incumbent=VersionName("v1"),
        state="shadow",
        step=-1,
        since=NOW,
        since_position=1_000,
        evidence={},
        reason="the gate passed",
    )
    return msgspec.structs.replace(default, **changes)


def split(revision: int = 1, **changes: object) -> TrafficSplit:
    """All traffic to ``v1``."""
    return msgspec.structs.replace(TrafficSplit(loop=LOOP, revision=revision, incumbent=VersionName("v1")), **changes)


def measurement(**changes: object) -> Measurement:
    """A full reference and one calm tick of the top probability of ``v1``."""
    default = Measurement(
        id=f"{LOOP}/v1/top-probability",
        loop=LOOP,
        version=VersionName("v1"),
        signal="top-probability",
        position=1_000,
        reference=(400, 400),
        reference_n=800,
        latest=(100, 100),
        latest_n=200,
        tolerance=0.02,
        clean=((100, 100),),
        evidence=(0.0, 0.0),
        e_value=0.0,
        threshold=9.0,
        distance=0.01,
        distance_upper=0.1,
        ticks=1,
        quiet=1,
    )
    return msgspec.structs.replace(default, **changes)


def signal(id: str = "signal-1", **changes: object) -> Signal:  # noqa: A002  the record's field
    """A raised signal of the top probability of ``v1``."""
    default = Signal(
        id=id,
        loop=LOOP,
        version=VersionName("v1"),
        signal="top-probability",
        state="raised",
        severity=0.5,
        raised_at=NOW,
        cleared_at=None,
        position=1_000,
        e_value=9.5,
        threshold=9.0,
        reference_mean=0.75,
        latest_mean=0.70,
        reference_n=800,
        latest_n=200,
        reason="top probability fell from 0.75 to 0.70",
    )
    return msgspec.structs.replace(default, **changes)
