"""What the controller can order, and the situation it decides from."""

from datetime import datetime

import msgspec

from loopline.records.cycle import Cadence, Cycle
from loopline.records.ids import CommandId, LoopName, VersionName
from loopline.records.model import RunState
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.settings import Settings
from loopline.records.signal import Signal
from loopline.records.task import Progress


class ImportBase(msgspec.Struct, frozen=True, kw_only=True):
    """Read the base set and the anchor into the store, as dataset ``c0``."""

    id: CommandId
    reason: str


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """Run one tick of the drift detector over what is new in the log."""

    id: CommandId
    version: VersionName
    until: int
    reason: str


class SetCadence(msgspec.Struct, frozen=True, kw_only=True):
    """Turn faster or slower, ask for more or less."""

    id: CommandId
    cadence: Cadence
    reason: str


class OpenCycle(msgspec.Struct, frozen=True, kw_only=True):
    """Begin a turn of the loop over the window (after, until]."""

    id: CommandId
    cycle: Cycle
    reason: str


class Select(msgspec.Struct, frozen=True, kw_only=True):
    """Choose the batch of the open cycle."""

    id: CommandId
    cycle: Cycle
    model: VersionName
    reason: str


class Publish(msgspec.Struct, frozen=True, kw_only=True):
    """Make tasks of the selection, the fresh reserve rows and gold."""

    id: CommandId
    cycle: Cycle
    model: VersionName
    reason: str


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """Weigh the answers so far: who is reliable, which tasks need another person."""

    id: CommandId
    cycle: Cycle
    annotations: int
    reason: str


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """Derive labels from the answers of the finished batch."""

    id: CommandId
    cycle: Cycle
    reason: str


class CutDataset(msgspec.Struct, frozen=True, kw_only=True):
    """Cut a new dataset version from its parent and the cycle's labels."""

    id: CommandId
    cycle: Cycle
    reason: str


class StartTraining(msgspec.Struct, frozen=True, kw_only=True):
    """Submit the training run of the cycle."""

    id: CommandId
    cycle: Cycle
    attempt: int
    reason: str


class CollectModel(msgspec.Struct, frozen=True, kw_only=True):
    """Verify what the finished run left behind and register it as a challenger."""

    id: CommandId
    cycle: Cycle
    name: VersionName
    reason: str


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """Compare challenger and incumbent on the reserve."""

    id: CommandId
    cycle: Cycle
    challenger: VersionName
    incumbent: VersionName
    decision: int
    reason: str


class Advance(msgspec.Struct, frozen=True, kw_only=True):
    """Move the rollout one step, forward or back, and set the traffic split that goes with it."""

    id: CommandId
    cycle: Cycle
    challenger: VersionName
    reason: str


class CloseCycle(msgspec.Struct, frozen=True, kw_only=True):
    """End the turn with its outcome."""

    id: CommandId
    cycle: Cycle
    reason: str


Command = (
    ImportBase
    | Measure
    | SetCadence
    | OpenCycle
    | Select
    | Publish
    | Review
    | Aggregate
    | CutDataset
    | StartTraining
    | CollectModel
    | Judge
    | Advance
    | CloseCycle
)


class ArmTally(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm did since the rollout's last step."""

    answers: int = 0
    failures: int = 0
    last_failures: int = 0
    """Failures in a row, up to now."""

    def plus(self, later: "ArmTally") -> "ArmTally":
        """Both stretches as one; a row of failures that fills the later one began in this one."""
        before = self.last_failures if later.failures == later.answers else 0
        return ArmTally(
            answers=self.answers + later.answers,
            failures=self.failures + later.failures,
            last_failures=before + later.last_failures,
        )


class LiveEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The rollout's live comparison since its last step."""

    position: int
    """Log position up to which it was counted."""
    incumbent: ArmTally = ArmTally()
    canary: ArmTally = ArmTally()
    shadow: ArmTally = ArmTally()
    paired: int = 0
    """Shadow answers to a prediction that the incumbent answered too."""
    agreed: int = 0
    """Those of them that gave its label."""
    unpaired: tuple[tuple[str, str], ...] = ()
    """The others, which may still be: the prediction's id, the shadow's label."""

    @property
    def shadow_agreement(self) -> float:
        """Share of shadow answers with the incumbent's label, in [0, 1]; 0 when there is none."""
        return self.agreed / self.paired if self.paired else 0.0


class Reviewed(msgspec.Struct, frozen=True, kw_only=True):
    """What the last review of a batch saw."""

    annotations: int
    """Standing answers."""
    at: datetime


class Doubted(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks of a batch were in doubt when all of it was last read, which takes long where it is large."""

    rests_on: str
    """Hash of what tells that it may be another number by now."""
    count: int
    again: datetime
    """When it is read again all the same: an answer that was undone and given anew tells nothing."""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All that ``decide`` looks at: the stored state of one loop, gathered by the runner."""

    settings: Settings
    end: int
    """Position of the last row in the log."""
    split: TrafficSplit | None
    """None before the first version is live."""
    cadence: Cadence | None
    cycle: Cycle | None
    """The latest cycle, open or closed."""
    has_base: bool
    """Whether dataset ``c0`` has been imported."""
    measured: int
    """Log position up to which the monitor has counted the live version."""
    looked: int
    """Log position up to which it has looked for more of it; 0 before the first look, and after a restart."""
    quiet: int
    """Ticks in a row without an alarm for the live version."""
    signals: tuple[Signal, ...]
    """Those now raised."""
    progress: Progress | None
    """Of the open batch."""
    reviewed: Reviewed | None
    """What the last review of the open batch saw; None before the first, and after a restart."""
    run: RunState | None
    """Of the open cycle."""
    next_version: VersionName
    """The name that the next model version takes."""
    challenger: VersionName | None
    """The version that the open cycle trained."""
    verdict: str
    """Outcome of the open cycle's judgement; empty before it."""
    verdict_reason: str
    decisions: int
    """Judgements so far that spent alpha: those in which a pass was possible."""
    rollout: Rollout | None
    """Of the open cycle."""
    live: LiveEvidence | None
    """While a rollout is under way."""
    asked: int = 0
    """Samples chosen in the last seven days, where ``select.weekly`` caps them and no cycle is open; else 0."""
    doubts: int = 0
    """Tasks of the open batch that wait for an adjudicator, where the batch waits for that; else 0."""
    doubted: Doubted | None = None
    """Where that number is from; None where the batch does not wait for it."""
    trouble: str
    """The newest failure of any command that is still being tried; empty when all went well."""
    failure: str
    """Why the open cycle's last command failed for good; empty otherwise."""


def key_of(*parts: str | int) -> CommandId:
    """The id of a command: the same act in the same situation has the same id.

    >>> key_of("sentiment", "cycle", 3, "select")
    'sentiment/cycle/3/select'
    """
    return CommandId("/".join(map(str, parts)))


def seed_of(loop: LoopName, cycle: int) -> int:
    """The seed of a cycle: stored with it, so that a selection can be replayed.

    >>> seed_of(LoopName("sentiment"), 1) == seed_of(LoopName("sentiment"), 1)
    True
    """
    return int.from_bytes(f"{loop}/{cycle}".encode(), "big") % (2**31 - 1)


def is_open(cycle: Cycle | None) -> bool:
    """Whether a turn is under way."""
    return cycle is not None and cycle.phase != "closed"
