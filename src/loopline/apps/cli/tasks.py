"""``loopline tasks``: tasks, answers and labels out to other tools, answers and new samples back in."""

import json as json_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopOption
from loopline.errors import InvalidRecord

if TYPE_CHECKING:
    from loopline.records.settings import Settings

app = typer.Typer(
    name="tasks", help="Tasks, answers and labels out to other tools, and answers back in.", no_args_is_help=True
)
ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".json": "label-studio"}
"""What a file's name says about its format."""


@app.command()
def export(
    *,
    what: Annotated[str, typer.Option(help="tasks, annotations or labels.")] = "tasks",
    cycle: Annotated[str, typer.Option(help="open: the batch that people label now; all; or a number.")] = "open",
    purpose: Annotated[
        str, typer.Option("--for", help="record; or labelling: nothing that who labels must not know.")
    ] = "record",
    format: Annotated[  # noqa: A002  the option's name
        str, typer.Option(help="label-studio, csv, jsonl or parquet; by default as the name ends, else jsonl.")
    ] = "",
    to: Annotated[Path | None, typer.Option(help="A new file; without it, the output.", metavar="FILE")] = None,
    loop: LoopOption = LOOP,
) -> None:
    """Write tasks, answers or labels to a file, or to the output. Sealed samples stay, except for labelling."""
    from loopline.apps.tasks.doors import open_door

    form = format or ENDINGS.get(to.suffix.lower() if to else "", "jsonl")
    params = {"what": what, "cycle": cycle, "purpose": purpose, "format": form}
    if form == "parquet" and to is None and sys.stdout.isatty():
        raise InvalidRecord("parquet", found="a terminal", expected="a file", remedy="add --to FILE, or redirect")
    settings, root = _loop(loop)
    with open_door(settings, root=root) as door:
        if to is None:
            door.fetch(params, keep=sys.stdout.buffer.write)
            sys.stdout.buffer.flush()
            return

        from loopline.apps.export.place import aside

        with aside(to, is_folder=False) as place, place.open("wb") as file:
            size = door.fetch(params, keep=file.write)
    typer.echo(f"{to}: {what} as {form}, {size:,} bytes", err=True)


@app.command("import")
def bring(  # noqa: PLR0913  the command's options
    files: Annotated[
        list[Path],
        typer.Argument(help="Exports of Label Studio, JSON, JSONL, CSV, Parquet, or folders.", metavar="FILE..."),
    ],
    *,
    new: Annotated[bool, typer.Option("--new", help="The files hold new samples to ask about, no answers.")] = False,
    annotator: Annotated[
        list[str] | None,
        typer.Option(help="Who is who: an address or a number there, a name here.", metavar="THERE=HERE"),
    ] = None,
    source: Annotated[str, typer.Option(help="What ids of answers begin with; one for each server.")] = "label-studio",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and store none.")] = False,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Bring in answers that were given elsewhere, or new samples; run twice, it stores nothing twice."""
    from loopline.apps.cli.bring import Shown
    from loopline.apps.tasks.doors import open_door
    from loopline.apps.tasks.sending import send, sentence

    settings, root = _loop(loop)
    params: dict[str, str | list[str]] = {
        "content": "tasks" if new else "annotations",
        "source": source,
        "people": annotator or [],
        "dry_run": str(dry_run).lower(),
    }
    with open_door(settings, root=root) as door, Shown() as shown:
        counts = send(files, door=door, params=params, tell=shown.tell, watch=shown.watch)
    typer.echo(json_text.dumps({**counts, "is_dry": dry_run}) if json else sentence(counts, is_dry=dry_run))
    if counts["bad"]:
        raise typer.Exit(1)


@app.command()
def interface(*, loop: LoopOption = LOOP) -> None:
    """Print the labelling interface of this loop for a project in Label Studio, as XML."""
    from loopline.apps.tasks.label_studio import interface as interface_of

    settings, _ = _loop(loop)
    typer.echo(interface_of(settings), nl=False)


def _loop(loop: Path) -> "tuple[Settings, Path]":
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    return settings, Path(settings.folder) / FOLDER
