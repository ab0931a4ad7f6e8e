"""``loopline dataset``: the versions that a loop learns from, read beside a running server and without its lock."""

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from loopline.apps.cli import show_dataset as show_as
from loopline.apps.cli.options import LOOP, AsJson, LoopOption
from loopline.errors import LooplineError

if TYPE_CHECKING:
    from loopline.apps.export.columns import Payloads
    from loopline.apps.export.exporting import Format
    from loopline.apps.notebook.library import Library
    from loopline.apps.notebook.opening import Reader
    from loopline.records.dataset import DatasetVersion

app = typer.Typer(
    name="dataset", help="What the loop learns from: list, show, compare, verify, export, tag.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="A version such as c7, or a tag.", metavar="VERSION")]
EXAMPLES = 10
"""Of each kind of change that a comparison shows."""
CONFLICTS = 20
"""Shown unless --json asks for all."""


@app.command("list")
def list_(*, loop: LoopOption = LOOP, json: AsJson = False) -> None:
    """List the versions, newest first."""
    library = _library(loop)
    found = [_plain(one) | {"tags": list(library.tags_of(one))} for one in library.versions]
    _print(found, json, show_as.versions)


@app.command()
def show(
    name: Name,
    *,
    conflicts: Annotated[bool, typer.Option("--conflicts", help="List the contradicting labels, and why.")] = False,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Show a version: its manifest, where its rows come from, what contradicted."""
    library = _library(loop)
    version = library.find(name)
    made, parent, maker = library.manifest(version), library.parent(version), library.made_by(version)
    told = _plain(version) | {
        "tags": list(library.tags_of(version)),
        "parent_name": parent.name if parent else None,
        "made_by": maker[0] if maker else None,
        "manifest": msgspec.to_builtins(made),
    }
    if conflicts:
        told["contradictions"] = msgspec.to_builtins(library.conflicts(version))
    _print(told, json, lambda answer: show_as.facts(answer, most=CONFLICTS))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="The earlier: c6, or a tag.")],
    now: Annotated[str, typer.Argument(help="The later: c7, or a tag.")],
    *,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Compare two versions: rows added, removed and relabelled, the balance of the classes."""
    from loopline.apps.notebook.comparing import compared

    library = _library(loop)
    found = compared(library, library.find(before), library.find(now), examples=EXAMPLES)
    _print(msgspec.to_builtins(found), json, show_as.changes)


@app.command()
def verify(
    name: Name,
    *,
    parity: Annotated[
        bool, typer.Option("--parity", help="Also replay what the model answered, and compare every feature.")
    ] = False,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Recompute every digest of a version and read every row; ends with code 2 when anything is not as it was."""
    from loopline.apps.notebook.checking import source_of, verified
    from loopline.apps.notebook.library import Library
    from loopline.apps.notebook.parity import parity as parity_of

    house = _house(loop)
    library = Library(house)
    version = library.find(name)
    made = verified(house, version)
    told: dict[str, Any] = _plain(made) | {"source": _source(house, library, version, source_of)}
    report = parity_of(house, version) if parity else None
    if report:
        told["parity"] = msgspec.to_builtins(report) | {"is_kept": report.is_kept}
    _print(told, json, show_as.proof)
    if report and not report.is_kept:
        raise typer.Exit(2)


@app.command()
def export(
    name: Name,
    *,
    to: Annotated[Path, typer.Option(help="A folder, or a file by its ending.", metavar="DIR|FILE")],
    format: Annotated[str, typer.Option(help="parquet, csv, jsonl or huggingface; by default as the name ends.")] = "",  # noqa: A002  the option's name
    payloads: Annotated[str, typer.Option(help="copy the inputs, or their digests: reference.")] = "copy",
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Write a version out for other tools; a place that holds anything else is left alone."""
    from loopline.apps.export.exporting import export as written
    from loopline.apps.export.exporting import shape_of

    form: Format | None = _one_of("format", format, ("parquet", "csv", "jsonl", "huggingface")) if format else None
    kept: Payloads = _one_of("payloads", payloads, ("copy", "reference"))
    library = _library(loop)
    version = library.find(name)
    with show_as.progress(f"exporting {version.name}") as progress:
        made = written(library, version, to=to, form=shape_of(to, form), payloads=kept, progress=progress)
    _print(_plain(made), json, show_as.exported)
    if made.formulas:
        typer.echo(show_as.formulas(made.formulas), err=True)


@app.command()
def tag(
    tag: Annotated[str, typer.Argument(help="The name to give, such as prod.", metavar="NAME")],
    version: Name,
    *,
    move: Annotated[bool, typer.Option("--move", help="Take it from the version that it stands for now.")] = False,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Give a version a name, which then stands for it wherever a version is asked for."""
    from datetime import UTC, datetime
    from getpass import getuser

    from loopline.apps.notebook.tagging import tagged

    made = tagged(_house(loop), tag, version=version, now=datetime.now(UTC), actor=getuser(), is_moved=move)
    _print(_plain(made), json, lambda answer: [f"{answer['name']} stands for {answer['version']}"])


def _house(loop: Path) -> "Reader":
    from loopline.apps.notebook.opening import open_reader

    return open_reader(loop)


def _library(loop: Path) -> "Library":
    from loopline.apps.notebook.library import Library

    return Library(_house(loop))


def _source(house: "Reader", library: "Library", version: "DatasetVersion", source_of: Any) -> str:
    """Of a base, whether its file still holds the same rows; a file that cannot be read is told, and is no flaw."""
    from loopline.apps.config import read_rows

    base = house.settings.train.base
    if version.cycle or not base:
        return ""
    try:
        rows = read_rows(Path(house.settings.folder) / base, house.settings.signature)
    except LooplineError as error:
        return str(error)
    return str(source_of(library.manifest(version), rows))


def _one_of(option: str, found: str, known: tuple[str, ...]) -> Any:
    if found not in known:
        raise typer.BadParameter(f"{found!r} is none of {', '.join(known)}", param_hint=f"--{option}")
    return found


def _plain(record: Any) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(record)
    return told


def _print(answer: Any, is_json: bool, lines: Any) -> None:  # noqa: FBT001  what every command does last
    if is_json:
        typer.echo(json_text.dumps(answer, ensure_ascii=False))
        return
    for line in lines(answer):
        typer.echo(line)
