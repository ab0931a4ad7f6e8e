"""What goes wrong in the endpoint while it runs, in words: for the log, the status and the overview."""

import logging
from collections.abc import Callable

from loopline.apps.web.words import first_line
from loopline.errors import InvalidRecord
from loopline.serve.stage import Gateway

Troubles = Callable[[], tuple[str, ...]]
SWITCH = "LOOPLINE_CAPTURE"
"""Environment variable: ``off`` leaves out all of capture, to measure what it costs, and for nothing else."""
UNRECORDED = str(
    InvalidRecord(
        SWITCH,
        found="off: nothing that is answered is recorded, and the loop learns nothing from it",
        expected="it not to be set",
        remedy="unset it and start again",
    )
)
log = logging.getLogger("loopline.server")


def no_troubles() -> tuple[str, ...]:
    """Of a control plane without an endpoint beside it."""
    return ()


def troubles_of(gateway: Gateway, recorder: Troubles) -> tuple[str, ...]:
    """One line a trouble: the thing, the reason, and what happens meanwhile; then those of the recorder."""
    split = gateway.table.split
    found = [
        f"{name} is not loaded: {_bare(reason, f'version {name}')}. "
        + (f"{split.incumbent} goes on answering; a rollout of {name} waits" if split else "No version answers")
        for name, reason in sorted(gateway.refusals.items())
    ]
    return (*found, *recorder())


def _bare(reason: str, thing: str) -> str:
    return first_line(reason).removeprefix(f"{thing}: ").rstrip(".")


class Watch:
    """Tells the log which troubles have come and which have gone since the last look."""

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._told: tuple[str, ...] = ()

    def look(self) -> None:
        """One line for each that is new, and one for each that is over."""
        now = self._troubles()
        for trouble in now:
            if trouble not in self._told:
                log.warning("%s", trouble)
        for trouble in self._told:
            if trouble not in now:
                log.info("over: %s", trouble)
        self._told = now
