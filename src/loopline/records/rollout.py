"""How traffic moves from the incumbent to a challenger."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.errors import InvalidRecord
from loopline.records.ids import LoopName, VersionName

FULL = 10_000
"""All traffic, in basis points."""


class TrafficSplit(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers what share of requests; the gateways follow the latest one."""

    loop: LoopName
    revision: int
    """Grows by one with each change; gateways keep the highest they have seen."""
    incumbent: VersionName
    challenger: VersionName | None = None
    basis_points: int = 0
    """The challenger's share of answers, 0 to 10,000."""
    shadow: bool = False
    """Whether the challenger also scores, unseen, what the incumbent answers."""
    keep: tuple[VersionName, ...] = ()
    """Versions that stay loaded without traffic, so that a rollback is one pointer swap."""

    def __post_init__(self) -> None:
        if not 0 <= self.basis_points <= FULL:
            raise InvalidRecord("traffic split", found=f"{self.basis_points} basis points", expected="0 to 10,000")


RolloutState = Literal["shadow", "canary", "promoted", "rolled_back", "inconclusive"]


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """One challenger on its way, and the evidence of its last step."""

    id: str
    loop: LoopName
    cycle: int
    challenger: VersionName
    incumbent: VersionName
    state: RolloutState
    step: int
    """Index into the configured canary steps; -1 in shadow."""
    since: datetime
    """UTC: when this state and step began."""
    since_position: int
    """Log position at that moment: evidence is counted after it."""
    evidence: dict[str, float]
    """Counts and e-values behind the last transition."""
    reason: str
