"""What the control plane and the pages ask of the house behind them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from loopline.apps.query import Following, Parted
from loopline.orchestrate.installation import Installation
from loopline.ports.audit_log import AuditLog
from loopline.ports.clock import Clock
from loopline.ports.counters import Counters
from loopline.ports.launcher import Launcher
from loopline.ports.ledger import Ledger
from loopline.ports.object_store import ObjectStore
from loopline.ports.offsets import Offsets
from loopline.ports.outcome_book import OutcomeBook
from loopline.ports.prediction_log import Pool, PredictionLog
from loopline.ports.question import Question
from loopline.ports.role_book import RoleBook
from loopline.ports.task_queue import AnswerBook, TaskQueue
from loopline.ports.view import View
from loopline.ports.work_log import WorkLog
from loopline.records.command import Command, Situation
from loopline.records.dataset import LabelledRow
from loopline.records.selection import Selection
from loopline.records.settings import Settings


class ReadableLog(PredictionLog, Parted, Following, Pool, Protocol):
    """A log that can be asked in SQL, followed, and looked up by position."""


class House(Protocol):
    """The rooms that the pages look into; ``apps.wiring.House`` is one."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def clock(self) -> Clock:
        """Tells the time."""
        ...

    @property
    def log(self) -> ReadableLog:
        """Every prediction."""
        ...

    @property
    def offsets(self) -> Offsets:
        """How far each reader of the log has come."""
        ...

    @property
    def outcomes(self) -> OutcomeBook:
        """What turned out to be true."""
        ...

    @property
    def objects(self) -> ObjectStore:
        """Bytes by their digest."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Every stored record, with its lineage."""
        ...

    @property
    def roles(self) -> RoleBook:
        """Which samples judge, and which are learned."""
        ...

    @property
    def queue(self) -> TaskQueue:
        """Hands out tasks."""
        ...

    @property
    def book(self) -> AnswerBook:
        """Reads what people said."""
        ...

    @property
    def work(self) -> WorkLog:
        """Reads what each person did."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Who did what."""
        ...

    @property
    def question(self) -> Question:
        """What an answer is in this loop."""
        ...

    @property
    def view(self) -> View:
        """How a sample is shown."""
        ...

    @property
    def base(self) -> Callable[[], Sequence[LabelledRow]]:
        """Reads the labelled set that the first version is trained on."""
        ...

    @property
    def counters(self) -> Counters:
        """Totals since the installation began."""
        ...

    @property
    def launcher(self) -> Launcher:
        """Knows how training runs ended."""
        ...

    @property
    def token(self) -> str:
        """Opens every door; printed at start."""
        ...

    @property
    def secret(self) -> bytes:
        """Signs the cookies."""
        ...


class Branch(Protocol):
    """One node of the answer to "why": a thing, the act that made it, and what that act used."""

    @property
    def entity(self) -> str:
        """``kind:id``, for instance ``model:v2``."""
        ...

    @property
    def act(self) -> str:
        """The command that made it; empty for what came from outside."""
        ...

    @property
    def kind(self) -> str:
        """What sort of command that was."""
        ...

    @property
    def at(self) -> str:
        """ISO time, UTC, when the act ended; empty for what came from outside."""
        ...

    @property
    def sources(self) -> Sequence["Branch"]:
        """What the act used."""
        ...


class Console(Protocol):
    """The controller, as people may ask it."""

    @property
    def installation(self) -> Installation:
        """The ports that it acts on, for acts of people."""
        ...

    def situation(self) -> Situation:
        """The stored state, as ``decide`` sees it."""
        ...

    def awaited(self, situation: Situation) -> str:
        """One sentence: what is due or awaited in it, and why."""
        ...

    def why(self, entity: str) -> Branch:
        """Where this prediction, version, dataset or cycle came from. Raises NotFound."""
        ...

    def tick(self) -> Sequence[Command]:
        """Do what is due now; what was done."""
        ...

    def imagine(self, cycle: int, *, strategy: str = "", budget: int = 0) -> tuple[Selection, Selection]:
        """The stored selection of a cycle, and what another strategy or budget would have given. Raises NotFound."""
        ...

    def replay(self, cycle: int, *, threads: int = 0, shards: int = 0) -> tuple[Selection, Selection]:
        """The stored selection of a cycle, and what its window gives again. Raises NotFound."""
        ...
