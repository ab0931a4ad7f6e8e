"""Training in a detached process on this machine."""

import subprocess
import sys
from pathlib import Path

from loopline.adapters.subprocess.folder import Ending, RunFolder, folder_name, known_runs, overtime, sync_folder
from loopline.adapters.subprocess.process import NOBODY, Process, age_seconds, end_group, identify, reap, standing
from loopline.errors import Conflict, NotFound, Unavailable
from loopline.ports.launcher import Package
from loopline.records.ids import RunId
from loopline.records.model import RunResult, RunSpec, RunState

_PROGRAM = "loopline.apps.worker"


class SubprocessLauncher:
    """Runs that survive us: each is a process group of its own, known again by its pid and start time.

    Nothing is remembered in memory: any process that opens the same root can poll, cancel and collect any run. When we
    die between making a run's folder and starting its process, the run has vanished and says ``never started``; it
    is tried again under the next run id, never under the same one.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def submit(self, spec: RunSpec) -> None:
        """Start the run, unless its folder is there already."""
        folder = self._folder(spec.id)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            try:
                folder.path.mkdir()
            except FileExistsError:
                return
            sync_folder(self._root)
            folder.order(spec)
            _start(folder)
        except OSError as error:
            raise Unavailable(f"run {spec.id}", reason=str(error), remedy=f"look at {folder.path}") from error

    def poll(self, run: RunId) -> RunState:
        """How the run stands; ends it when its time is up."""
        folder = self._submitted(run)
        ending = _ending(folder)
        succeeded = folder.result() is not None
        seen = folder.progress()
        return RunState(
            id=run,
            phase="succeeded" if succeeded else ending.phase if ending else "running",
            done=seen.done,
            total=seen.total,
            metrics=seen.metrics,
            reason=ending.reason if ending and not succeeded else "",
            log_tail=folder.log_tail(),
        )

    def result(self, run: RunId) -> RunResult:
        """What the run left in its folder."""
        folder = self._submitted(run)
        found = folder.result()
        if found is None:
            ending = _ending(folder)
            state = f"{ending.phase}: {ending.reason}" if ending else "running"
            raise Conflict(f"run {run}", found=state, expected="succeeded")
        return found

    def package(self, run: RunId) -> Package:
        """The bytes of the model and of its checks."""
        left = self.result(run)
        try:
            return Package(Path(left.artifact_file).read_bytes(), Path(left.checks_file).read_bytes())
        except OSError as error:
            raise Unavailable(f"run {run}", reason=str(error), remedy="train again") from error

    def cancel(self, run: RunId) -> None:
        """Kill the run's whole process group; what it started goes with it."""
        folder = self._submitted(run)
        if folder.result() is not None or _ending(folder) is not None:
            return
        end_group(_owner(folder))
        _closed(folder, otherwise=Ending(phase="failed", reason="cancelled"))

    def _folder(self, run: RunId) -> RunFolder:
        return RunFolder(self._root / folder_name(run))

    def _submitted(self, run: RunId) -> RunFolder:
        folder = self._folder(run)
        if not folder.path.is_dir():
            names = (path.name for path in self._root.iterdir()) if self._root.is_dir() else ()
            raise NotFound("run", run, known=known_runs(names))
        return folder


def _start(folder: RunFolder) -> None:
    with folder.log.open("ab") as log:
        child = subprocess.Popen(  # noqa: S603  our own program, no shell
            # -P: a random.py in the folder we happen to stand in must not replace the standard library's.
            [sys.executable, "-P", "-u", "-m", _PROGRAM, str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            close_fds=True,
        )
    process = identify(child.pid)
    child.returncode = 0  # We keep no handle, so that every run is adopted in the same way: reaped by pid, in poll.
    if process is not None:
        folder.claim(process)


def _owner(folder: RunFolder) -> Process:
    """The run's process. Without one, nobody takes the run: whoever was still about to start then does not begin."""
    return folder.owner() or folder.claim(Process(pid=NOBODY, ticks=0, boot=""))


def _ending(folder: RunFolder) -> Ending | None:
    """Why the run will leave no result; None while it runs, or when it has succeeded."""
    if folder.result() is not None or folder.ending() is not None:
        return _closed(folder)
    owner = _owner(folder)
    if owner.pid == NOBODY:
        return folder.conclude(Ending(phase="vanished", reason="never started: its launcher died first"))
    if standing(owner) != "alive":
        return _closed(folder)
    limit = folder.spec().seconds
    if age_seconds(owner) < limit:
        return None
    end_group(owner)
    return _closed(folder, otherwise=overtime(limit))


def _closed(folder: RunFolder, *, otherwise: Ending | None = None) -> Ending | None:
    """What the run wrote last counts; when it wrote nothing, ``otherwise``, or that it has vanished.

    Clears away its zombie, when that is ours, and what it left running.
    """
    owner = _owner(folder)
    code = None
    if standing(owner) == "ended":
        end_group(owner)
        code = reap(owner)
    if folder.result() is not None:
        return None
    how = "" if code is None else f" (killed by signal {-code})" if code < 0 else f" (exit code {code})"
    gone = Ending(phase="vanished", reason=f"its process is gone and left no result{how}")
    return folder.ending() or folder.conclude(otherwise or gone)
