"""``loopline demo``: the loop closes three times on real people's sentences."""

import json
import time
from pathlib import Path

from rich.console import Console

from loopline.apps.demo.director import (
    BOUND_SECONDS,
    Play,
    await_port,
    finish_what_if,
    seconds_played,
    settle_counts,
    turn,
)
from loopline.apps.demo.door import token_of
from loopline.apps.demo.project import settle
from loopline.errors import LooplineError

DONE, UNFINISHED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def run_demo(*, once: bool, offline: bool, json_path: Path | None, folder: Path, port: int) -> int:
    """Play the demo in this folder, or go on where it was interrupted; the exit code.

    0: three turns were closed and the table printed; 1: the time bound came first; 2: it cannot run here, with one line
    that says why; 130: interrupted.
    """
    console = Console()
    play = Play(folder=folder.resolve(), port=port, console=console)
    try:
        return _played(play, once=once, offline=offline, json_path=json_path)
    except LooplineError as error:
        Console(stderr=True).print(f"loopline: {error}", highlight=False, markup=False, soft_wrap=True)
        return REFUSED
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        Console(stderr=True).print(f"loopline: {reason}", highlight=False, markup=False, soft_wrap=True)
        return REFUSED
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on from here")
        return INTERRUPTED
    finally:
        play.end()


def _played(play: Play, *, once: bool, offline: bool, json_path: Path | None) -> int:
    finished = play.folder / "demo" / "finished"
    if not (finished.is_file() and once):
        # a server that was killed with an earlier start in this folder may need a moment to be gone
        await_port(play.port, patience_seconds=5.0 if (play.folder / "demo").is_dir() else 0.0)
    world, said = settle(play.folder, offline=offline)
    play.console.print(said, highlight=False, soft_wrap=True)
    closed = finished.is_file() or turn(play)
    if not finished.is_file():
        settle_counts(play)
        finish_what_if(play)
    if closed:
        finished.touch()
    if once:
        play.end()  # so that nothing moves while it is told, and the next start tells the same
    from loopline.apps.demo.report import read_report
    from loopline.apps.demo.result import as_json, print_report

    report = read_report(play.folder, world=world, seconds=seconds_played(play.folder))
    print_report(report, play.console)
    if json_path is not None:
        json_path.write_text(json.dumps(as_json(report), indent=2) + "\n")
    if not closed:
        play.console.print(
            f"{report.cycles} of 3 turns closed within {BOUND_SECONDS / 60:.0f} minutes; the same command goes on"
        )
        return UNFINISHED
    if not once:
        _stay(play)
    return DONE


def _stay(play: Play) -> None:
    """Keep the pages up until Ctrl-C."""
    told = False
    while True:
        play.bring_server()
        if not told and play.status():
            play.console.print(f"pages: {play.url}/?token={token_of(play.folder)}", soft_wrap=True, highlight=False)
            play.console.print("Ctrl-C ends the server; the same command brings it back")
            told = True
        time.sleep(1.0)
