"""Where a rollout goes next: the records of each move, with the traffic split that belongs to it."""

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from loopline.records.cycle import Cycle
from loopline.records.ids import VersionName
from loopline.records.rollout import FULL, Rollout, TrafficSplit

WHOLE = 100
"""Percent: a canary step this large is the promotion."""


class Step(NamedTuple):
    """One move, committed together."""

    rollout: Rollout
    split: TrafficSplit


def first(cycle: Cycle, *, challenger: VersionName, now: datetime) -> Step:
    """The first version of a loop goes live: nothing answers yet that it could be compared with."""
    rollout = Rollout(
        id=cycle.id, loop=cycle.loop, cycle=cycle.number, challenger=challenger, incumbent=challenger,
        state="promoted", step=-1, since=now, since_position=cycle.until, evidence={},
        reason=f"{challenger} answers all traffic: it is the first version of this loop",
    )  # fmt: skip
    return Step(rollout, TrafficSplit(loop=cycle.loop, revision=1, incumbent=challenger))


def shadow(cycle: Cycle, *, challenger: VersionName, split: TrafficSplit, wanted: int, now: datetime) -> Step:
    """The challenger starts to score, unseen, what the incumbent answers."""
    rollout = Rollout(
        id=cycle.id, loop=cycle.loop, cycle=cycle.number, challenger=challenger, incumbent=split.incumbent,
        state="shadow", step=-1, since=now, since_position=cycle.until, evidence={},
        reason=f"{challenger} scores unseen what {split.incumbent} answers, until {wanted:,} shadow answers are in",
    )  # fmt: skip
    moved = replace(split, revision=split.revision + 1, challenger=challenger, basis_points=0, shadow=True)
    return Step(rollout, moved)


def canary(rollout: Rollout, *, split: TrafficSplit, step: int, percent: int, now: datetime) -> Step:
    """The challenger answers ``percent`` of traffic; the caller adds position, evidence and reason."""
    points = percent * FULL // WHOLE
    challenger = rollout.challenger
    moved = replace(split, revision=split.revision + 1, challenger=challenger, basis_points=points, shadow=False)
    return Step(replace(rollout, state="canary", step=step, since=now), moved)


def promoted(rollout: Rollout, *, split: TrafficSplit, step: int, now: datetime) -> Step:
    """The challenger answers everything; the version it replaces stays loaded."""
    moved = TrafficSplit(
        loop=split.loop, revision=split.revision + 1, incumbent=rollout.challenger, keep=(rollout.incumbent,)
    )
    return Step(replace(rollout, state="promoted", step=step, since=now), moved)


def withdrawn(rollout: Rollout, *, split: TrafficSplit, reason: str, now: datetime) -> Step:
    """The rollout ends undecided: the incumbent answers everything again, and the reason says why."""
    back = rolled_back(rollout, split=split, now=now)
    return Step(replace(back.rollout, state="inconclusive", reason=reason), back.split)


def rolled_back(rollout: Rollout, *, split: TrafficSplit, now: datetime) -> Step:
    """The incumbent answers everything again, as it did before."""
    moved = replace(split, revision=split.revision + 1, challenger=None, basis_points=0, shadow=False)
    return Step(replace(rollout, state="rolled_back", since=now), moved)
