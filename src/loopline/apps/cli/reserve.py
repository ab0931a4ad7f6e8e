"""``loopline reserve``: how much judges, and who made use of it."""

import json as json_text
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopFile

Answer = Mapping[str, Any]


def reserve(loop: LoopFile = LOOP, *, json: AsJson = False) -> None:
    """Say how many samples are sealed to judge models, how many have labels, and who used them for what."""
    from loopline.apps.cli import show
    from loopline.apps.cli.door import Request, ask
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    found = ask(settings, Request("GET", "/api/reserve", {}), root=Path(settings.folder) / FOLDER)
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
        return
    out = show.terminal()
    for line in (*sides(found), *batches(found), *uses(found)):
        out.print(line, soft_wrap=True)


def sides(found: Answer) -> Iterator[str]:
    """What is sealed, and what of it can judge.

    >>> list(sides({"sealed": 1200, "labelled": 60, "anchor": 0, "asked": 70, "crossed": 0}))
    ['1,200 log rows are sealed; 60 fresh samples have a label; the anchor holds 0 rows']
    """
    yield (
        f"{found['sealed']:,} log rows are sealed; {found['labelled']:,} fresh {_plural('sample', found['labelled'])} "
        f"{'has' if found['labelled'] == 1 else 'have'} a label; the anchor holds {_count(found['anchor'], 'row')}"
    )
    if found["crossed"]:
        crossed = _count(found["crossed"], "sample")
        yield f"{crossed} had been selected before the two sides were kept apart: they judge, and teach nobody"


def batches(found: Answer) -> Iterator[str]:
    """The fresh labels of each cycle, and the uses that they have left.

    >>> list(batches({"batches": [{"cycle": 3, "labelled": 60, "uses": 1, "left": 19}]}))
    ['cycle 3: 60 labels, used 1 time, 19 left']
    """
    for one in found["batches"]:
        labelled, used = _count(one["labelled"], "label"), _count(one["uses"], "time")
        yield f"cycle {one['cycle']}: {labelled}, used {used}, {one['left']} left"


def uses(found: Answer) -> Iterator[str]:
    """Each use, newest first.

    >>> use = {"at": "2026-01-05T09:00:00Z", "actor": "ana", "purpose": "a look", "rows": 40, "versions": ["v2"]}
    >>> list(uses({"uses": [use]})), list(uses({"uses": []}))
    (['2026-01-05 09:00:00  ana  a look  v2  40 rows'], ['nobody has used it yet'])
    """
    from loopline.apps.cli.show import moment

    for one in found["uses"]:
        versions = ", ".join(one["versions"]) or "a function"
        yield f"{moment(one['at'])}  {one['actor']}  {one['purpose']}  {versions}  {_count(one['rows'], 'row')}"
    if not found["uses"]:
        yield "nobody has used it yet"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {_plural(noun, number)}"


def _plural(noun: str, number: int) -> str:
    return noun if number == 1 else f"{noun}s"
