"""``loopline guideline``: what people go by, and how to write its next version from a file."""

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopOption
from loopline.errors import NotFound

app = typer.Typer(name="guideline", help="What people go by: show it, set its next version.", no_args_is_help=True)
Which = Annotated[int, typer.Option("--version", min=1, help="One of the versions before; else the newest.")]
TextFile = Annotated[typer.FileText, typer.Argument(help="A file of plain text; - reads it from standard input.")]
Reason = Annotated[str, typer.Option("--reason", help="What changed, and why; it is on record.")]


@app.command()
def show(*, version: Which | None = None, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """Print a version with its examples."""
    found = _ask(loop, "GET", "/api/guideline/versions")
    chosen = next((one for one in found if version in (None, one["version"])), None)
    if chosen is None and version is not None:
        raise NotFound("guideline version", str(version), known=tuple(str(one["version"]) for one in found))
    if json:
        typer.echo(json_text.dumps(chosen, ensure_ascii=False))
        return
    if chosen is None:
        typer.echo("no guideline yet; write one: loopline guideline set FILE --reason 'the first'")
        return
    typer.echo(chosen["text"])
    for one in chosen["examples"]:
        why = f" ({one['why']})" if one["why"] else ""
        typer.echo(f"  {' '.join(one['text'].split())} -> {one['label']}{why}")
    typer.echo(f"version {chosen['version']} by {chosen['author']}: {chosen['reason']}", err=True)


@app.command("set")
def write(file: TextFile, *, reason: Reason, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """Publish the text as the next version; the examples stay."""
    made = _ask(loop, "PUT", "/api/guideline", body={"text": file.read().strip(), "reason": reason})
    said = f"version {made['version']} holds from now on, with {len(made['examples'])} examples"
    typer.echo(json_text.dumps(made, ensure_ascii=False) if json else said)


def _ask(loop: Path, method: str, path: str, *, body: Any = None) -> Any:
    from loopline.apps.cli.door import Request, ask
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    return ask(settings, Request(method, path, body=body), root=Path(settings.folder) / FOLDER)
