"""What a person is asked, what they said, and how well they do."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import Digest, LoopName, PredictionId, TaskId, VersionName

Stratum = Literal["chosen", "audit", "reserve", "gold"]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One sample that waits for people's answers."""

    id: TaskId
    loop: LoopName
    cycle: int
    sample: PredictionId
    """The prediction it came from; for gold, the id of the gold row."""
    content: Digest
    stratum: Stratum
    """Never shown to the person."""
    inputs: bytes
    """The canonical bytes of the row, shown as text or as a table row."""
    suggestion: str = ""
    """The model's label, shown beside the task; empty for the blind share and for reserve, audit and gold."""
    suggested_by: VersionName = VersionName("")
    """The version whose suggestion is shown."""
    gold: str = ""
    """The known answer of a gold task; empty otherwise; never leaves the server."""
    wanted: int = 1
    """How many people's answers are asked for now; raised while they disagree."""
    priority: int = 0
    """Higher is served first."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said about one sample: append-only, never edited."""

    id: str
    """The caller's idempotency key: the same key twice is one answer."""
    task: TaskId
    annotator: str
    label: str
    """One of the loop's labels."""
    at: datetime
    seconds: float
    """From shown to answered."""


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """A person passes a task on, with a reason; they are not asked again."""

    task: TaskId
    annotator: str
    reason: str
    at: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far one annotator can be relied on, from gold; a paused one gets no tasks and their answers do not count."""

    annotator: str
    loop: LoopName
    state: Literal["active", "paused"]
    gold_seen: int
    gold_right: int
    accuracy: float
    """Posterior mean, in [0, 1]."""
    below_norm: float
    """Posterior probability that the accuracy lies below the norm, in [0, 1]."""
    reason: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch has come, by stratum; gold is not awaited."""

    tasks: int
    done: int
    """Tasks with as many standing answers as wanted."""
    annotations: int
    """Standing answers: given, not withdrawn, by annotators who are not paused; gold included."""
    by_stratum: dict[str, tuple[int, int]]
    """Stratum -> (done, tasks)."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is awaited from people."""
        return self.done >= self.tasks
