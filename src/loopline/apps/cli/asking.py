"""Commands that ask a loop: ``tick``, ``status``, ``why``."""

import json as json_text
from pathlib import Path
from typing import Annotated

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopFile, LoopOption


def tick(loop: LoopFile = LOOP, *, json: AsJson = False) -> None:
    """Do what is due now, once; harmless to repeat, made for cron."""
    _answer(loop, "POST", "/api/tick", json=json)


def status(loop: LoopFile = LOOP, *, json: AsJson = False) -> None:
    """Say what is due or awaited, and how every stage stands."""
    _answer(loop, "GET", "/api/status", json=json)


def why(
    id: Annotated[str, typer.Argument(help="A prediction, v2, c1, cycle-3 or a signal.")],  # noqa: A002  the argument's name
    *,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Tell where a prediction, a version, a dataset or a cycle came from."""
    _answer(loop, "GET", "/api/why", params={"id": id}, json=json)


def _answer(loop: Path, method: str, path: str, *, params: dict[str, str] | None = None, json: bool) -> None:
    from loopline.apps.config import load_settings

    settings = load_settings(loop)

    from loopline.apps.cli import show
    from loopline.apps.cli.door import Request, ask
    from loopline.apps.wiring import FOLDER

    found = ask(settings, Request(method, path, params or {}), root=Path(settings.folder) / FOLDER)
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
    else:
        show.PAGES[path](found)
