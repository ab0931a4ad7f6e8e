"""One loop's ports, put together from its settings and its folder: here alone the server names its adapters."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from loopline import __version__
from loopline.adapters.files.objects import sync_folder
from loopline.adapters.onnx.engine import OnnxEngine
from loopline.adapters.pillow.engine import ImageEngine
from loopline.adapters.python.engine import PythonEngine
from loopline.adapters.remote.engine import RemoteEngine
from loopline.adapters.sklearn.engine import SklearnEngine
from loopline.adapters.spool.counters import FileCounters
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.audit import SqlAuditLog
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.manifest import SqlManifest
from loopline.adapters.sql.offsets import SqlOffsets
from loopline.adapters.sql.outcomes import SqlOutcomes
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.sql.roles import SqlRoleBook
from loopline.adapters.sql.work import SqlWorkLog
from loopline.adapters.subprocess.launcher import SubprocessLauncher
from loopline.adapters.system.clock import SystemClock
from loopline.adapters.threads.fleet import ThreadFleet
from loopline.apps import questions, views
from loopline.apps.config import read_rows
from loopline.apps.recorder.opening import open_objects, state_url
from loopline.apps.recorder.words import COUNTERS, OWN_COUNTERS
from loopline.apps.strategies import resolved
from loopline.errors import Conflict, Unavailable
from loopline.orchestrate.installation import Installation, Rows
from loopline.ports.audit_log import AuditLog
from loopline.ports.counters import Counters
from loopline.ports.engine import Engine, Predictor
from loopline.ports.fleet import Fleet
from loopline.ports.offsets import Offsets
from loopline.ports.outcome_book import OutcomeBook
from loopline.ports.question import Question
from loopline.ports.view import View
from loopline.records.model import EngineName
from loopline.records.settings import Settings
from loopline.records.signature import Signature

FOLDER = ".loopline"
"""Everything that a loop keeps, beside its ``loop.toml``."""
SPOOL = "log/spool.db"
THREADS = "threads"
RESTORE = (
    "restore it from a backup: with another, samples that were sealed to judge models would be trained on; "
    "without a backup, begin again in a new folder"
)


@dataclass(frozen=True, kw_only=True)
class House(Installation):
    """An installation, with what its faces need."""

    root: Path
    log: SpoolLog
    offsets: Offsets
    outcomes: OutcomeBook
    audit: AuditLog
    counters: Counters
    view: View
    token: str
    """Opens every page and API; made at the first start, readable by its owner only."""
    secret: bytes
    """Keys the reserve and the sessions."""

    def read_by(self, *, threads: int, shards: int) -> "House":
        """The same house, whose pool so many threads read in so many pieces; 0: as it does by itself."""
        if not threads and not shards:
            return self
        return replace(self, log=self.log.read_by(ThreadFleet(max(1, threads)), shards=shards))


class Engines:
    """Loads each artefact with the engine that made it."""

    def __init__(self) -> None:
        self._engines: dict[EngineName, Engine] = {
            "sklearn": SklearnEngine(),
            "onnx": OnnxEngine(),
            "python": PythonEngine(),
            "remote": RemoteEngine(),
        }

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> Predictor:
        """The predictor in these bytes."""
        return self._engines[engine].load(artifact, engine=engine, signature=signature)


def open_house(settings: Settings, *, root: Path) -> House:
    """The loop's ports over the folder ``root``, which is made when it is not there.

    Raises Unavailable, with the reason, when the folder cannot be used; Conflict when its secret or token is lost.
    """
    try:
        for folder in ("log", "objects", "runs"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        token = _kept(root / "token", remedy="delete the file: a new token is made at the next start")
        secret = _secret(root)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable(f"folder {root}", reason=reason, remedy="choose one that you may write to") from error
    database = open_database(state_url(settings, root=root))
    objects = open_objects(settings, root=root, secret=secret.encode())
    manifest, question = SqlManifest(database), questions.resolved(settings.annotate.question)
    return House(
        settings=settings,
        clock=SystemClock(),
        log=SpoolLog(
            root / SPOOL, loop=settings.name, manifest=manifest, objects=objects, fleet=_fleet(settings.select.launcher)
        ),
        manifest=manifest,
        offsets=SqlOffsets(database),
        outcomes=SqlOutcomes(database),
        audit=SqlAuditLog(database),
        ledger=SqlLedger(database),
        roles=SqlRoleBook(database),
        queue=SqlTaskQueue(database),
        book=SqlAnswerBook(database),
        work=SqlWorkLog(database),
        objects=objects,
        launcher=SubprocessLauncher(root / "runs"),
        engine=ImageEngine(Engines()),
        base=_rows(settings, settings.train.base),
        anchor=_rows(settings, settings.gate.anchor_file),
        gold=_rows(settings, settings.annotate.gold_file, question=question),
        strategy=resolved,
        question=question,
        view=views.resolved(settings.annotate.view, kind=settings.signature.input),
        actor=f"loopline {__version__}",
        root=root,
        counters=FileCounters(root / COUNTERS, beside=(root / OWN_COUNTERS,)),
        token=token,
        secret=secret.encode(),
    )


def _fleet(launcher: str) -> Fleet:
    """Who reads the sealed pool: threads of this process, Daft here, or Daft on a Ray cluster."""
    if launcher == THREADS:
        return ThreadFleet(os.cpu_count() or 1)

    from loopline.adapters.daft.fleet import DaftFleet

    return DaftFleet("" if launcher == "daft" else launcher)


def _rows(settings: Settings, file: str, *, question: Question | None = None) -> Rows:
    path = Path(settings.folder) / file
    return lambda: read_rows(path, settings.signature, question=question) if file else ()


def _secret(root: Path) -> str:
    """The word that keys the reserve. It is never made anew over a log: that would deal the sealed samples again."""
    path, log = root / "secret", root / SPOOL
    if not path.exists() and log.exists() and log.stat().st_size:
        found = f"missing, while {log} holds samples that it sealed"
        raise Conflict(f"file {path}", found=found, expected="the word that the log was begun with", remedy=RESTORE)
    return _kept(path, remedy=RESTORE)


def _kept(path: Path, *, remedy: str) -> str:
    """A random word, made once and kept for its owner only. Raises Conflict with the remedy when the file is empty."""
    if not path.exists():
        fresh = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fresh, "w") as file:
            file.write(secrets.token_urlsafe(24))
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
        path.with_suffix(".new").rename(path)
        sync_folder(path.parent)
    word = path.read_text().strip()
    if not word:
        raise Conflict(f"file {path}", found="empty", expected="the word that was written there", remedy=remedy)
    return word


@contextmanager
def hold(root: Path) -> Iterator[None]:
    """Hold the folder while the block runs. Raises Conflict when another process holds it."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable(f"folder {root}", reason=reason, remedy="choose one that you may write to") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
            found = f"in use by process {holder}"
            raise Conflict(f"folder {root}", found=found, expected="free", remedy="stop that one first") from error
        os.truncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)
