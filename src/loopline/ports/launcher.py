"""Heavy work outside our process."""

from typing import Protocol

from loopline.records.ids import RunId
from loopline.records.model import RunResult, RunSpec, RunState


class Launcher(Protocol):
    """Runs training; a run outlives the process that submitted it."""

    def submit(self, spec: RunSpec) -> None:
        """Start the run. Idempotent by run id: a run that was ever started is not started again."""
        ...

    def poll(self, run: RunId) -> RunState:
        """How the run stands now; a run whose process has vanished without a result is failed, with the reason.

        Adopts runs that another process submitted. Raises NotFound for a run never submitted.
        """
        ...

    def result(self, run: RunId) -> RunResult:
        """What the finished run left. Raises Conflict unless it succeeded."""
        ...

    def cancel(self, run: RunId) -> None:
        """Stop the run and everything it started. A finished run stays as it is."""
        ...
