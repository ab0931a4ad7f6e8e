"""``loopline accuracy``: three readings of the loop's labels side by side."""

import json as json_text
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from loopline.apps.cli.options import LOOP, AsJson, LoopFile

READINGS = {
    "naive": "all labels as if drawn at random",
    "audit": "the random share alone",
    "lure": "all labels, weighed by their odds",
}
"""Name of a reading -> what it is."""
NONE = "no cycle has labels yet; the first figures come when people have labelled a batch, see loopline status"

Answer = Mapping[str, Any]


def accuracy(loop: LoopFile = LOOP, *, json: AsJson = False) -> None:
    """Say how often the live model was right: naively, by the random share, and by weighed labels."""
    from loopline.apps.cli.door import Request, ask
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    found = ask(settings, Request("GET", "/api/accuracy", {}), root=Path(settings.folder) / FOLDER)
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
    else:
        told(found)


def told(found: Answer) -> None:
    """The table, newest cycle first, and below it what each reading can be trusted for."""
    from loopline.apps.cli import show

    out = show.terminal()
    if not found["latest"]:
        out.print(NONE, soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("cycle", "version", "reading"):
        table.add_column(name)
    for name in ("accuracy", "95 % interval", "n"):
        table.add_column(name, no_wrap=True, justify="right")
    for one in (*found["cycles"], *([found["latest"]] if len(found["cycles"]) > 1 else [])):
        head = (turns(one["cycles"]), ", ".join(one["models"]))
        for name in READINGS:
            table.add_row(*head, name, *figures(one[name]))
            head = ("", "")
    out.print(table)
    for line in trusts(found["latest"]):
        out.print(line, soft_wrap=True)


def turns(cycles: list[int]) -> str:
    """The cycles of one line.

    >>> turns([3]), turns([3, 4, 6])
    ('3', '3 to 6 together')
    """
    return str(cycles[0]) if len(cycles) == 1 else f"{cycles[0]} to {cycles[-1]} together"


def figures(reading: Answer) -> tuple[str, str, str]:
    """One reading: percent, interval where there is one, and n.

    >>> figures({"value": 0.901, "low": 0.85, "high": 0.94, "n": 1200}), figures({"value": None, "low": None, "n": 8})
    (('90.1 %', '85.0 to 94.0', '1,200'), ('-', '-', '8'))
    """
    value = "-" if reading["value"] is None else f"{100 * reading['value']:.1f} %"
    between = "-" if reading["low"] is None else f"{100 * reading['low']:.1f} to {100 * reading['high']:.1f}"
    return value, between, f"{reading['n']:,}"


def trusts(latest: Answer) -> Iterator[str]:
    """What each reading can be trusted for, and what is missing."""
    for name, what in READINGS.items():
        yield f"{name}, {what}: {latest[name]['trust']}"
    if latest["missing"]:
        yield (
            f"{latest['missing']} of {latest['drawn']} drawn samples have no label and are left out of the pool: fair "
            "as long as what people pass on has nothing to do with the model's errors"
        )
