"""Training without a process: a function decides what becomes of each run."""

from collections.abc import Callable
from typing import NamedTuple

from loopline.errors import Conflict, NotFound
from loopline.ports.launcher import Package
from loopline.records.ids import RunId
from loopline.records.model import RunPhase, RunResult, RunSpec, RunState


class Finished(NamedTuple):
    """A run that succeeded."""

    result: RunResult
    package: Package


Fate = Finished | str | None
"""What became of a run: it succeeded, it failed for this reason, or it still runs."""


class MemoryLauncher:
    """Runs that live in this object; ``train`` is asked at each poll until it gives something other than None."""

    def __init__(self, train: Callable[[RunSpec], Fate]) -> None:
        self._train = train
        self._specs: dict[RunId, RunSpec] = {}
        self._fates: dict[RunId, Finished | str] = {}

    def submit(self, spec: RunSpec) -> None:
        """Remember the run, unless it is known."""
        self._specs.setdefault(spec.id, spec)

    def poll(self, run: RunId) -> RunState:
        """How the run stands, after asking once more if that is open."""
        match self._fate(run):
            case None:
                return _state(run, phase="running")
            case str() as reason:
                return _state(run, phase="failed", reason=reason)
            case Finished(result):
                return _state(run, phase="succeeded", metrics=result.metrics)

    def result(self, run: RunId) -> RunResult:
        """What the function gave."""
        return self._finished(run).result

    def package(self, run: RunId) -> Package:
        """The bytes that the function gave."""
        return self._finished(run).package

    def forget(self) -> None:
        """Lose every run, as when the folder of runs was deleted."""
        self._specs.clear()
        self._fates.clear()

    def cancel(self, run: RunId) -> None:
        """The run has failed, if it was running."""
        if self._fate(run) is None:
            self._fates[run] = "cancelled"

    def _fate(self, run: RunId) -> Fate:
        if run not in self._specs:
            raise NotFound("run", run, known=tuple(sorted(self._specs)))
        if run not in self._fates:
            fate = self._train(self._specs[run])
            if fate is None:
                return None
            self._fates[run] = fate
        return self._fates[run]

    def _finished(self, run: RunId) -> Finished:
        fate = self._fate(run)
        if isinstance(fate, Finished):
            return fate
        raise Conflict(f"run {run}", found=f"failed: {fate}" if fate else "running", expected="succeeded")


def _state(run: RunId, *, phase: RunPhase, reason: str = "", metrics: dict[str, float] | None = None) -> RunState:
    return RunState(id=run, phase=phase, done=0, total=0, metrics=metrics or {}, reason=reason, log_tail="")
