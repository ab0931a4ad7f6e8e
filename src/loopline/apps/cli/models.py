"""The versions of a loop: ``models list``, ``models show``, ``models add``."""

import json as json_text
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopOption

app = typer.Typer(name="models", help="The loop's versions: list them, look at one, add one.", no_args_is_help=True)
Source = Annotated[
    str, typer.Argument(help="A .onnx or .skops file, a run's folder, module:factory, or http://host/v2/models/name.")
]
Checks = Annotated[
    Path | None,
    typer.Option(help="Labelled rows to verify it on; else those of serve.checks, or the base rows.", metavar="FILE"),
]
Live = Annotated[bool, typer.Option("--live", help="It answers all traffic at once, without shadow and canary.")]


@app.command("list")
def list_(*, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """List the versions, newest first."""
    found = _asked(loop, "/api/models")
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
    for line in () if json else lines(found):
        typer.echo(line)


@app.command()
def show(name: Annotated[str, typer.Argument(help="v2.")], *, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """Show a version: what it takes, how it came about, what it was measured to do."""
    found = _asked(loop, f"/api/models/{quote(name, safe='')}")
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
    for line in () if json else facts(found):
        typer.echo(line)


@app.command()
def add(
    source: Source,
    *,
    checks: Checks = None,
    name: Annotated[str, typer.Option(help="Its name; else the next free v<n>.")] = "",
    live: Live = False,
    loop: LoopOption = LOOP,
) -> None:
    """Verify a model from outside and make it a version; the loop must not be running."""
    from loopline.apps.config import load_settings, read_rows
    from loopline.apps.registration import register, usual_rows
    from loopline.apps.wiring import FOLDER, hold, open_house

    settings = load_settings(loop)
    root = Path(settings.folder) / FOLDER
    with hold(root):  # two that name versions at once could give two models the same name
        house = open_house(settings, root=root)
        rows = read_rows(checks, settings.signature) if checks else usual_rows(house)
        version = register(house, _placed(source), checks_rows=rows, name=name, is_live=live)
    typer.echo(f"{version.name}: {version.conversion}")
    typer.echo(f"accuracy {version.metrics['accuracy']:.3f} on its check rows")


def _placed(source: str) -> str:
    """The source; a file or folder by its whole path, since relative ones start beside ``loop.toml``."""
    return str(Path(source).resolve()) if Path(source).exists() else source


def lines(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line a version.

    >>> lines([{"name": "v1", "engine": "onnx", "cycle": 0, "at": "2026-01-05T09:00:00Z", "conversion": "as it is"}])
    ['v1  2026-01-05 09:00:00  onnx  as it is']
    """
    if not models:
        return ["no version yet; loopline status says what is awaited"]
    return [
        f"{model['name']}  {str(model['at'])[:19].replace('T', ' ')}  {model['engine']}  {model['conversion']}".rstrip()
        for model in models
    ]


def facts(model: Mapping[str, Any]) -> list[str]:
    """Name and value of what is known of a version."""
    signature = model["signature"]
    rows = {
        "takes": f"{signature['input']}{' of width ' + str(signature['width']) if signature['width'] else ''}",
        "labels": ", ".join(signature["labels"]),
        "engine": model["engine"],
        "how": model["conversion"] or "packaged before this was written down",
        "from": (model["dataset"] and f"cycle {model['cycle']}, dataset {model['dataset'][:12]}") or "outside",
        "artefact": model["artifact"],
    }
    rows |= {metric: f"{value:.4g}" for metric, value in model["metrics"].items()}
    return [str(model["name"]), *(f"  {name:<9} {value}" for name, value in rows.items())]


def _asked(loop: Path, path: str) -> Any:
    from loopline.apps.cli.door import Request, ask
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    return ask(settings, Request("GET", path, {}), root=Path(settings.folder) / FOLDER)
