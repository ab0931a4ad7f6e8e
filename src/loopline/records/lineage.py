"""Who made what from what; and the entry that commits a thing together with its lineage and its event."""

from datetime import datetime

import msgspec

from loopline.records.access import ApiKey
from loopline.records.comparison import StrategyComparison
from loopline.records.cycle import Cadence, Cycle
from loopline.records.dataset import Anchor, DatasetVersion, Tag
from loopline.records.decision import Decision
from loopline.records.evaluation import Verdict
from loopline.records.guideline import Guideline, Remark
from loopline.records.ids import CommandId, LoopName, TaskId
from loopline.records.label import LabelBatch
from loopline.records.model import ModelVersion, RunSpec
from loopline.records.people import User
from loopline.records.reserve import Membership, ReserveAccess, Seal
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.selection import Selection
from loopline.records.signal import Measurement, Signal
from loopline.records.task import Standing, Task

Stored = (
    Selection
    | LabelBatch
    | DatasetVersion
    | Tag
    | Anchor
    | ModelVersion
    | RunSpec
    | Verdict
    | Rollout
    | TrafficSplit
    | Measurement
    | Signal
    | Cycle
    | Cadence
    | Standing
    | ApiKey
    | ReserveAccess
    | StrategyComparison
    | User
    | Guideline
    | Remark
    | Decision
)
"""Records that the ledger keeps whole, by kind and key."""


class Raise(msgspec.Struct, frozen=True, kw_only=True):
    """Ask this many people about a task: more than before, or fewer when nobody is there to be asked."""

    task: TaskId
    wanted: int
    """Replaces the task's ``wanted``; at 0 the task is over without an answer."""


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One act of one stage: what it used, what it generated. Entities are ``kind:id``, for instance ``model:v2``."""

    id: CommandId
    loop: LoopName
    kind: str
    """The stage that acted."""
    cycle: int
    started: datetime
    ended: datetime
    actor: str
    """``loopline 0.1.0``, or the person who forced it."""
    used: tuple[str, ...]
    generated: tuple[str, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A CloudEvents 1.0 event, as it waits in the outbox."""

    id: str
    type: str
    """``cycle.selected``, ``rollout.promoted``, ..."""
    source: str
    """``/loops/sentiment``."""
    subject: str
    """The entity it is about."""
    time: datetime
    text: str
    """The sentence a person reads."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one command changes: committed whole, or not at all, and once."""

    id: CommandId
    records: tuple[Stored, ...] = ()
    tasks: tuple[Task, ...] = ()
    raises: tuple[Raise, ...] = ()
    activity: Activity | None = None
    events: tuple[Event, ...] = ()
    seal: Seal | None = None
    """Comes with an anchor: the contents of its rows."""
    members: Membership | None = None
    """Comes with a dataset version: the samples that entered or left."""
