"""All that the controller may reach, by its ports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from loopline.ports.clock import Clock
from loopline.ports.engine import Engine
from loopline.ports.launcher import Launcher
from loopline.ports.ledger import Ledger
from loopline.ports.manifest import Manifest
from loopline.ports.object_store import ObjectStore
from loopline.ports.prediction_log import Pool, PredictionLog, ReserveLog, ScoreLog
from loopline.ports.question import Question
from loopline.ports.role_book import RoleBook
from loopline.ports.strategy import Strategy
from loopline.ports.task_queue import AnswerBook, TaskQueue
from loopline.ports.work_log import WorkLog
from loopline.records.dataset import LabelledRow
from loopline.records.settings import Settings

Rows = Callable[[], Sequence[LabelledRow]]
"""Reads rows that the user brought, when they are needed."""


class Log(PredictionLog, ScoreLog, Pool, ReserveLog, Protocol):
    """The whole log. Stages are handed one view of it each."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One loop's ports, put together in ``apps/wiring.py``."""

    settings: Settings
    clock: Clock
    log: Log
    manifest: Manifest
    ledger: Ledger
    roles: RoleBook
    queue: TaskQueue
    book: AnswerBook
    work: WorkLog
    objects: ObjectStore
    launcher: Launcher
    engine: Engine
    base: Rows
    """The labelled set that the first version is trained on."""
    anchor: Rows
    """The fixed part of the reserve."""
    gold: Rows
    """Rows whose answer is known, to check people's work."""
    strategy: Callable[[str], Strategy]
    """The selection strategy of this versioned name. Raises NotFound."""
    question: Question
    """What an answer is in this loop, and how answers become labels."""
    actor: str
    """Who acts, for the lineage: ``loopline 0.1.0``."""
