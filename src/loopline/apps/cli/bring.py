"""``loopline import``: predictions and outcomes from files."""

import json as json_text
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopOption

if TYPE_CHECKING:
    from rich.progress import TaskID

    from loopline.apps.importing.row import Parts

SHOWN = 20
"""Bad rows that are shown; all are counted."""


def bring(  # noqa: PLR0913  the command's options
    files: Annotated[
        list[Path], typer.Argument(help="JSONL, CSV, Parquet, KServe logs, or folders.", metavar="FILE...")
    ],
    *,
    loop: LoopOption = LOOP,
    outcomes: Annotated[bool, typer.Option("--outcomes", help="The files hold what turned out to be true.")] = False,
    model: Annotated[str, typer.Option(help="The version that answered, for rows that name none.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every row and store none.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
    json: AsJson = False,
) -> None:
    """Bring in predictions that were made elsewhere; run twice, it stores nothing twice."""
    from loopline.apps.config import load_settings

    settings = load_settings(loop)

    import msgspec

    from loopline.apps.importing.doors import Checks, open_door
    from loopline.apps.importing.intake import Wish, take_in
    from loopline.apps.wiring import FOLDER

    wish = Wish(is_outcomes=outcomes, is_strict=strict, model=model)
    root = Path(settings.folder) / FOLDER
    with nullcontext(Checks(settings)) if dry_run else open_door(settings, root=root) as door, Shown() as shown:
        account = take_in(files, settings=settings, door=door, wish=wish, tell=shown.tell, watch=shown.watch)
    dry = "nothing was stored; it would have been: " if dry_run else ""
    typer.echo(json_text.dumps(msgspec.to_builtins(account)) if json else dry + account.sentence)
    if account.bad:
        raise typer.Exit(1)


class Shown:
    """A bar a file while it is read, and the first bad rows, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True, emoji=False, markup=False, highlight=False)
        name = TextColumn("{task.description}", markup=False)
        columns = (name, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal)
        self._files: dict[str, TaskID] = {}
        self._bad = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()
        if self._bad > SHOWN:
            self._console.print(f"... and {self._bad - SHOWN:,} more bad rows")

    def tell(self, sentence: str) -> None:
        """Show a bad row, unless enough are shown."""
        self._bad += 1
        if self._bad <= SHOWN:
            self._console.print(sentence, soft_wrap=True)

    def watch(self, parts: "Parts") -> None:
        """Move the file's bar; of many files, those that are done make room."""
        if parts.name not in self._files:
            self._files[parts.name] = self._bars.add_task(parts.name)
        self._bars.update(self._files[parts.name], completed=parts.done, total=max(parts.of, 1))
        if parts.done >= parts.of:
            self._bars.remove_task(self._files.pop(parts.name))
