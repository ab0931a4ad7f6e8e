"""Heavy work outside our process."""

from typing import NamedTuple, Protocol

from loopline.records.ids import RunId
from loopline.records.model import RunResult, RunSpec, RunState


class Package(NamedTuple):
    """What a finished run made."""

    model: bytes
    """The artefact, for the engine that the result names."""
    checks: bytes
    """Verification rows: ``records.model.Checks`` as JSON."""


class Launcher(Protocol):
    """Runs training; a run outlives the process that submitted it."""

    def submit(self, spec: RunSpec) -> None:
        """Start the run. Idempotent by run id: a run that was ever started is not started again."""
        ...

    def poll(self, run: RunId) -> RunState:
        """How the run stands now; ``vanished``, with the reason, when its process is gone and said nothing.

        A run that was submitted but never started has vanished too; it is tried again under another run id.
        Adopts runs that another process submitted. Raises NotFound for a run never submitted.
        """
        ...

    def result(self, run: RunId) -> RunResult:
        """What the finished run left. Raises Conflict unless it succeeded."""
        ...

    def package(self, run: RunId) -> Package:
        """The model that the finished run made, and its checks. Raises Conflict unless it succeeded."""
        ...

    def cancel(self, run: RunId) -> None:
        """Stop the run and everything it started. A finished run stays as it is."""
        ...
