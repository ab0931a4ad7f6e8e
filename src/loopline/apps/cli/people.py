"""``loopline people``: how everybody who answers does; pause one, let them back in, take their answers out."""

import json as json_text
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from loopline.apps.cli.options import LOOP, AsJson, LoopOption

Name = Annotated[str, typer.Argument(help="Whose answers.", metavar="NAME")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in one line; it is on record.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what it would affect.")]


class Named(TyperGroup):
    """A group whose first word may be a name: ``loopline people ana`` is ``loopline people show ana``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``show`` before what is no command of the group."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="people", cls=Named, help="How everybody who answers does: pause, resume, recall.", add_completion=False
)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="One of them; else everybody.", metavar="[NAME]")] = "",
    *,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """List everybody, or tell of one person."""
    found = _ask(loop, "GET", f"/api/people/{_quoted(name)}" if name else "/api/people")
    if json:
        typer.echo(json_text.dumps(found, ensure_ascii=False))
    elif name:
        _tell(found)
    else:
        _list(found)


@app.command()
def pause(
    name: Name, *, reason: Reason, dry_run: DryRun = False, loop: LoopOption = LOOP, json: AsJson = False
) -> None:
    """Give a person no more tasks, and let their answers count no more in open batches."""
    _act(loop, f"/api/people/{_quoted(name)}/pause", body={"reason": reason, "dry_run": dry_run}, json=json)


@app.command()
def resume(
    name: Name, *, reason: Reason, dry_run: DryRun = False, loop: LoopOption = LOOP, json: AsJson = False
) -> None:
    """Let a person work again; what they answered before counts again, what was weighed before does not."""
    _act(loop, f"/api/people/{_quoted(name)}/resume", body={"reason": reason, "dry_run": dry_run}, json=json)


@app.command()
def recall(
    name: Name, *, reason: Reason, dry_run: DryRun = False, loop: LoopOption = LOOP, json: AsJson = False
) -> None:
    """Ask others about what rests on a person's answers, and say which models those reached."""
    _act(loop, f"/api/people/{_quoted(name)}/recall", body={"reason": reason, "dry_run": dry_run}, json=json)


def _act(loop: Path, path: str, *, body: Any, json: bool) -> None:
    found = _ask(loop, "POST", path, body=body)
    typer.echo(json_text.dumps(found, ensure_ascii=False) if json else found["said"])


def _list(people: list[Mapping[str, Any]]) -> None:
    from rich.table import Table

    from loopline.apps.cli.show import terminal

    if not people:
        typer.echo("nobody has answered yet; people label at the page 'Annotate'")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "state", "accuracy", "on", "answers", "pace"):
        table.add_column(column, no_wrap=True)
    for one in people:
        table.add_row(
            one["name"], one["state"], share(one["accuracy"]), evidence(one), f"{one['answers']:,}", pace(one["pace"])
        )
    terminal().print(table)


def _tell(person: Mapping[str, Any]) -> None:
    from loopline.apps.cli.show import terminal

    out = terminal()
    row = person["person"]
    lines = (
        ("state", f"{row['state']}: {row['reason']}" if row["reason"] else row["state"]),
        ("accuracy", f"{share(row['accuracy'])} on {evidence(row)}"),
        ("answers", f"{row['answers']:,}"),
        ("pace", pace(row["pace"])),
        ("agreement", share(row["agreement"])),
        ("anchoring", points(row["anchoring"])),
        ("affected", str(person["affected"]["said"])),
    )
    out.print(str(row["name"]), style="bold")
    for name, line in lines:
        out.print(f"  {name:<9}  {line}", soft_wrap=True)


def share(found: Mapping[str, Any] | None) -> str:
    """A share in percent with its 95 % interval and what it rests on.

    >>> share({"value": 0.912, "low": 0.85, "high": 0.95, "n": 80}), share(None)
    ('91.2 % (85.0 to 95.0, n 80)', '-')
    """
    if found is None:
        return "-"
    low, high = 100 * found["low"], 100 * found["high"]
    return f"{100 * found['value']:.1f} % ({low:.1f} to {high:.1f}, n {found['n']:,})"


def points(found: Mapping[str, Any] | None) -> str:
    """How much more often a wrong suggestion is repeated where it is shown, in percentage points.

    >>> points({"difference": 0.081, "low": -0.02, "high": 0.18, "shown": {"n": 60}, "blind": {"n": 40}})
    '+8.1 points (-2.0 to +18.0, n 60 shown, 40 blind)'
    """
    if found is None or found["difference"] is None:
        return "-"
    value, low, high = (100 * found[name] for name in ("difference", "low", "high"))
    n = f"n {found['shown']['n']:,} shown, {found['blind']['n']:,} blind"
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f}, {n})"


def pace(found: Mapping[str, Any] | None) -> str:
    """The usual time for one answer.

    >>> pace({"median_seconds": 4.25, "n": 212}), pace(None)
    ('4.2 s (n 212)', '-')
    """
    return f"{found['median_seconds']:.1f} s (n {found['n']:,})" if found else "-"


def evidence(one: Mapping[str, Any]) -> str:
    """What an accuracy rests on.

    >>> evidence({"gold_seen": 20, "peers_seen": 60})
    '20 gold, 60 peers'
    """
    return f"{one['gold_seen']:,} gold, {one['peers_seen']:,} peers"


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _ask(loop: Path, method: str, path: str, *, body: Any = None) -> Any:
    from loopline.apps.cli.door import Request, ask
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    return ask(settings, Request(method, path, body=body), root=Path(settings.folder) / FOLDER)
