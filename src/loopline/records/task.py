"""What a person is asked, what they said, and how well they do."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import Digest, LoopName, PredictionId, TaskId, VersionName

STEP = 1 << 20
"""Priorities below the same multiple of this are of one step: within it chance orders, or the wish of who claims."""
Stratum = Literal["chosen", "audit", "reserve", "gold", "relabel"]
"""Why it is asked: drawn for its worth or by chance, to judge models, to check people, or once more / brought in."""


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
    withheld: str = ""
    """What would be suggested, where nothing is shown: how blind answers are told from those that saw it."""
    prior: tuple[float, ...] = ()
    """The model's probabilities, one a label; of chosen tasks only, and only where they count."""
    gold: str = ""
    """The known answer of a gold task; empty otherwise; never leaves the server."""
    wanted: int = 1
    """How many people's answers are asked for now; raised while they disagree."""
    priority: int = 0
    """Higher is served first; whole steps tell how much it is worth, what is left of ``STEP`` is drawn."""
    skill: str = ""
    """Asked of who answers it; empty: none."""
    language: str = ""
    """That who answers must read; empty: any."""
    cluster: str = ""
    """``cycle-3/17``: the group of alike samples that the diversity step put a chosen one into; empty: none."""
    guideline: int = 0
    """The version of the guideline under which it was published; 0: there was none."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said about one sample: append-only, never edited."""

    id: str
    """The caller's idempotency key: the same key twice is one answer."""
    task: TaskId
    annotator: str
    label: str
    """The answer as the loop's question spells it: a label; of several, a JSON list in the loop's order."""
    at: datetime
    seconds: float
    """From shown to answered."""
    comment: str = ""
    is_flagged: bool = False
    """Its author asks that somebody looks at the task."""
    is_bulk: bool = False
    """Given to a whole cluster at once, after a sample of it was checked."""


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """A person passes a task on, with a reason; they are not asked again."""

    task: TaskId
    annotator: str
    reason: str
    at: datetime


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for how much of what."""

    annotator: str
    count: int
    strata: frozenset[Stratum]
    seconds: float
    """How long what is given is held."""
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    quota: int = 0
    """Most answers in a UTC day; 0: any number."""
    like: str = ""
    """A task whose cluster comes first; empty: no such wish."""
    within: str = ""
    """The cluster of which alone tasks are wanted; empty: of any."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far one annotator can be relied on, from gold and peers; a paused one gets no tasks, and does not count."""

    annotator: str
    loop: LoopName
    state: Literal["active", "paused"]
    gold_seen: int
    gold_right: int
    peers_seen: int = 0
    """Answers that were held against what all the others together said, where they were sure."""
    peers_right: int = 0
    accuracy: float
    """Posterior mean, in [0, 1]."""
    below_norm: float
    """Posterior probability that the accuracy lies below the norm, in [0, 1]."""
    reason: str
    since: datetime | None = None
    """Evidence of before does not count: when a lead let them back in."""


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
