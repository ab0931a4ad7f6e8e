"""``loopline keys``: the keys that programs show to this loop."""

import json as json_text
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopOption

app = typer.Typer(name="keys", help="Keys that programs show: add, list, revoke.", no_args_is_help=True)
ScopeOption = Annotated[
    list[str], typer.Option("--scope", help="predict, capture, control or read; again for more than one.")
]
PerSecond = Annotated[float, typer.Option(min=0, help="Requests a second that it may make; 0: any number.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose it will be, in words.")],
    *,
    scope: ScopeOption,
    per_second: PerSecond = 0.0,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Make a key and show it, this once."""
    wanted = {"name": name, "scopes": list(dict.fromkeys(scope)), "per_second": per_second}
    made = _ask(loop, "POST", "/api/keys", body=wanted)
    if json:
        typer.echo(json_text.dumps(made, ensure_ascii=False))
        return
    typer.echo(made["secret"])
    note = "this is the only time the key is shown; send it as 'Authorization: Bearer ...'"
    typer.echo(f"{_line(made['key'])}\n{note}", err=True)


@app.command("list")
def listed(*, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """List the keys, revoked ones too."""
    found: Sequence[Mapping[str, Any]] = _ask(loop, "GET", "/api/keys")
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
        return
    for key in found:
        typer.echo(_line(key))
    if not found:
        typer.echo("no keys yet; make one: loopline keys add NAME --scope predict")


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="lk_... as the list shows it.", metavar="ID")],  # noqa: A002  the argument's name
    *,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Make a key worthless, everywhere, within a second."""
    from urllib.parse import quote

    public = "_".join(id.split("_")[:2])  # who pastes the whole key does not send its secret about
    key = _ask(loop, "DELETE", f"/api/keys/{quote(public, safe='')}")
    typer.echo(json_text.dumps(key, ensure_ascii=False) if json else _line(key))


def _line(key: Mapping[str, Any]) -> str:
    """One key.

    >>> _line({"id": "lk_1", "name": "till", "scopes": ["predict"], "per_second": 100.0, "revoked_at": None})
    'lk_1  till: predict, at most 100 requests a second'
    """
    from loopline.apps.cli.show import moment

    pace = f", at most {key['per_second']:g} requests a second" if key["per_second"] else ""
    end = f"; revoked {moment(key['revoked_at'])}" if key["revoked_at"] else ""
    return f"{key['id']}  {key['name']}: {', '.join(key['scopes'])}{pace}{end}"


def _ask(loop: Path, method: str, path: str, *, body: Any = None) -> Any:
    from loopline.apps.cli.door import Request, ask
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    return ask(settings, Request(method, path, body=body), root=Path(settings.folder) / FOLDER)
