"""Commands about selections: ``select --what-if`` and ``replay``. Neither writes."""

import json as json_text
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopOption
from loopline.errors import Conflict, InvalidRecord

DIFFERENT = 1
KEYS = ("strategy", "budget")


def select(
    change: Annotated[list[str] | None, typer.Argument(help="strategy=NAME, budget=N", metavar="KEY=VALUE")] = None,
    *,
    what_if: Annotated[bool, typer.Option("--what-if", help="Say what would be chosen; write nothing.")] = False,
    cycle: Annotated[
        str, typer.Option(help="Over the window of this cycle: cycle-7, or 7. [default: the last that chose]")
    ] = "",
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Say what a cycle would have asked about by another strategy or budget."""
    if not what_if:
        raise InvalidRecord(
            "select",
            found="no --what-if",
            expected="--what-if",
            remedy="a loop selects by itself when a cycle opens; loopline tick opens one that is due",
        )
    asked = changes(change or [])
    number = number_of(cycle) if cycle else _latest(loop)
    found = _ask(loop, f"/api/cycles/{number}/what-if", asked)
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
    else:
        from loopline.apps.cli.show_selection import what_if as shown

        shown(found)


def replay(
    cycle: Annotated[str, typer.Argument(help="cycle-7, or 7.", metavar="CYCLE")],
    *,
    threads: Annotated[int, typer.Option(help="Threads that read the log; 0: as a cycle does.", min=0, max=64)] = 0,
    shards: Annotated[int, typer.Option(help="Pieces that it is read in; 0: as a cycle does.", min=0, max=4096)] = 0,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Make a stored selection again from its window; leaves with 1 unless it comes out the same, byte for byte."""
    number = number_of(cycle)
    found = _ask(loop, f"/api/cycles/{number}/replay", {"threads": str(threads), "shards": str(shards)})
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
    else:
        from loopline.apps.cli.show_selection import replayed

        replayed(found)
    if not found["is_same"]:
        raise typer.Exit(DIFFERENT)


def number_of(cycle: str) -> int:
    """The number of a cycle as people write it. Raises InvalidRecord.

    >>> number_of("cycle-7"), number_of("7")
    (7, 7)
    """
    if not (match := re.fullmatch(r"(?:cycle-)?(\d{1,9})", cycle)):
        raise InvalidRecord("cycle", found=repr(cycle), expected="a cycle such as cycle-7")
    return int(match[1])


def changes(written: list[str]) -> dict[str, str]:
    """What is to be different, by key. Raises InvalidRecord.

    >>> changes(["strategy=margin.v1", "budget=100"])
    {'strategy': 'margin.v1', 'budget': '100'}
    """
    found = {}
    for one in written:
        key, equals, value = one.partition("=")
        if not equals or key not in KEYS or not value:
            raise InvalidRecord("what-if", found=repr(one), expected="strategy=NAME or budget=N")
        if key == "budget" and not value.isdecimal():
            raise InvalidRecord("budget", found=repr(value), expected="a whole number from 1")
        found[key] = value
    return found


def _latest(loop: Path) -> int:
    """The last cycle that has a selection. Raises Conflict before there is one."""
    for cycle in sorted((one["number"] for one in _ask(loop, "/api/cycles", {})), reverse=True):
        if _ask(loop, f"/api/cycles/{cycle}", {})["selection"]:
            return int(cycle)
    found, remedy = "no cycle has chosen anything yet", "loopline status says when the next one is due"
    raise Conflict("what-if", found=found, expected="a cycle with a selection", remedy=remedy)


def _ask(loop: Path, path: str, params: dict[str, str]) -> Any:
    from loopline.apps.config import load_settings

    settings = load_settings(loop)

    from loopline.apps.cli.door import Request, ask
    from loopline.apps.wiring import FOLDER

    return ask(settings, Request("GET", path, params), root=Path(settings.folder) / FOLDER)
