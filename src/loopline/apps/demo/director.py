"""Runs the play: the server as its user would start it, traffic and people outside, until three turns are done."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from loopline.apps.cli import preflight
from loopline.apps.demo.children import Child
from loopline.apps.demo.door import Door, token_of
from loopline.apps.demo.progress import closed_cycles, counts_of, is_labelled, stage_of, table_of
from loopline.apps.demo.whole import write_whole
from loopline.apps.demo.world import CYCLES
from loopline.errors import Unavailable

BOUND_SECONDS = 600.0
"""A run that has not closed its turns by then ends, and says how far it came."""
POLL_SECONDS = 0.5
SETTLE_SECONDS = 15.0
"""For the last answers to reach the log."""
HOST = "127.0.0.1"


@dataclass(kw_only=True)
class Play:
    """Everything that one run of the demo has going."""

    folder: Path
    port: int
    console: Console
    children: dict[str, Child] = field(default_factory=dict)
    _door: Door | None = None

    @property
    def url(self) -> str:
        """Where the server answers."""
        return f"http://{HOST}:{self.port}"

    def bring(self, name: str, *order: str) -> None:
        """Have this child running, and say so when it had to be started again."""
        log = self.folder / "demo" / f"{name}.log"
        child = self.children.setdefault(name, Child(name=name, order=order, log=log))
        if said := child.ensure():
            self.console.print(said)

    def bring_server(self) -> None:
        """Have the server running, as ``loopline up`` starts it."""
        self.bring("server", "loopline", "up", str(self.folder / "loop.toml"), "--port", str(self.port))

    def status(self) -> dict[str, Any]:
        """What the server says of itself; empty while it does not answer."""
        if self._door is None:
            if not (token := token_of(self.folder)):
                return {}
            self._door = Door(self.url, token=token)
        try:
            return dict(self._door.get("/api/status"))
        except Unavailable:
            return {}

    def end(self) -> None:
        """Take every child along, the server last."""
        if self._door is not None:
            self._door.close()
        for name in sorted(self.children, key=lambda name: name == "server"):
            self.children[name].stop()


def await_port(port: int, *, patience_seconds: float) -> None:
    """Return once the port is free; raises Unavailable when another program keeps it longer than that."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            preflight.free(HOST, port)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def turn(play: Play) -> bool:
    """Play the outside world until three turns are closed; False when the time bound came first."""
    (play.folder / "demo" / "stop").unlink(missing_ok=True)
    clock = _Clock(play.folder / "demo" / "clock.json")
    told, began = _Told(), time.monotonic()
    with _screen(play.console) as show:
        while time.monotonic() - began < BOUND_SECONDS:
            play.bring_server()
            play.bring("traffic", "loopline.apps.demo.traffic", str(play.folder), play.url)
            _bring_people(play)
            status = play.status()
            show(table_of(status, seconds=clock.tick()))
            told.tell(status, play.console)
            if is_labelled(status, cycle=CYCLES):
                _bring_what_if(play)
            if closed_cycles(status) >= CYCLES:
                return True
            time.sleep(POLL_SECONDS)
    return False


def settle_counts(play: Play) -> None:
    """Stop the outside world and wait until every answer is in the log or counted as dropped."""
    (play.folder / "demo" / "stop").touch()
    for name in ("traffic", "people"):
        if name in play.children:
            play.children[name].wait(5.0)
            play.children[name].stop()
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        play.bring_server()
        counts = play.status().get("counts") or {}
        answered = counts.get("answered", 0) - counts.get("repeated", 0)
        if answered and answered == counts.get("stored", 0) + counts.get("dropped", 0):
            return
        time.sleep(POLL_SECONDS)


def finish_what_if(play: Play, *, seconds: float = 120.0) -> None:
    """Wait for the what-if with randomly chosen labels; a run that cannot be had is said to be missing."""
    if (play.folder / "demo" / "whatif.json").is_file():
        return
    _bring_what_if(play)
    if play.children["what-if"].wait(seconds) != 0:
        play.console.print(f"the what-if ended early: {play.children['what-if'].last_words()}")


def seconds_played(folder: Path) -> float:
    """How long the demo has run in this folder, over all its starts."""
    return _Clock(folder / "demo" / "clock.json").before


def _bring_people(play: Play) -> None:
    """People who were all paused, or found nothing to do, have left for good: that is no failure."""
    people = play.children.get("people")
    if people is None or people.wait(0.0) != 0:
        play.bring("people", "loopline.apps.demo.people", str(play.folder), play.url)


def _bring_what_if(play: Play) -> None:
    if "what-if" not in play.children:
        play.bring("what-if", "loopline.apps.demo.counterfactual", str(play.folder))


class _Clock:
    """Adds up the time of all starts in one folder."""

    def __init__(self, path: Path) -> None:
        self._path, self._began = path, time.monotonic()
        self.before = float(json.loads(path.read_text())["seconds"]) if path.is_file() else 0.0

    def tick(self) -> float:
        """Seconds so far, noted."""
        seconds = self.before + time.monotonic() - self._began
        write_whole(self._path, json.dumps({"seconds": seconds}).encode())
        return seconds


class _Told:
    """Prints a line when the loop has moved, and never the same one twice in a row."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, status: Mapping[str, Any], console: Console) -> None:
        if status and (stage := stage_of(status)) != self._last:
            self._last = stage
            console.print(f"{stage}: {counts_of(status)}", highlight=False, markup=False)


@contextmanager
def _screen(console: Console) -> Iterator[Callable[[Table], None]]:
    """Shows the live table on a terminal, and nothing where there is none."""
    if not console.is_terminal:
        yield lambda _: None
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield live.update
