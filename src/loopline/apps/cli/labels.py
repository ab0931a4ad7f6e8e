"""``loopline labels``: what people's answers come to, derived anew. Nothing is written."""

import json as json_text
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loopline.apps.cli.options import LOOP, AsJson, LoopOption

if TYPE_CHECKING:
    from loopline.apps.recomputing import Recomputed

app = typer.Typer(name="labels", help="Labels: derive them anew from the answers.", no_args_is_help=True)


@app.callback()
def labels() -> None:
    """Labels: derive them anew from the answers."""


@app.command()
def recompute(
    *,
    cycle: Annotated[int, typer.Option(help="Of this cycle only; 0: of all.", min=0)] = 0,
    method: Annotated[
        str, typer.Option(help="dawid-skene.v1, dawid-skene.v2, majority.v1, ...; by default its own.")
    ] = "",
    diff: Annotated[bool, typer.Option("--diff", help="Name every label that comes out otherwise.")] = False,
    loop: LoopOption = LOOP,
    json: AsJson = False,
) -> None:
    """Derive labels from the very answers they came from, and say how they differ from what is stored."""
    import msgspec

    from loopline.apps.config import load_settings
    from loopline.apps.recomputing import recompute as derive
    from loopline.apps.wiring import FOLDER, open_house

    settings = load_settings(loop)
    house = open_house(settings, root=Path(settings.folder) / FOLDER)
    found = derive(house, method=method, cycle=cycle)
    if json:
        told = msgspec.to_builtins(found if diff else [msgspec.structs.replace(one, differences=()) for one in found])
        typer.echo(json_text.dumps({"batches": told}, ensure_ascii=False))
        return
    for batch in found:
        for line in lines(batch, is_full=diff):
            typer.echo(line)
    if not found:
        typer.echo("no labels yet: people's answers become labels when a cycle's batch is complete")


def lines(batch: "Recomputed", *, is_full: bool) -> Iterator[str]:
    """What is told of one batch.

    >>> from loopline.apps.recomputing import Difference, Recomputed
    >>> one = Difference(sample="p7", content="c", stratum="chosen", stored="bad", now="good", moved=0.5)
    >>> batch = Recomputed(cycle=3, stored_method="dawid-skene.v1", method="majority.v1", labels=90, is_same=False,
    ...     changed=2, moved=40, sealed_changed=1, differences=(one,))
    >>> for line in lines(batch, is_full=True): print(line)
    cycle 3: 90 labels by dawid-skene.v1; by majority.v1 2 are others and 40 of the same label have another posterior
      p7  chosen  bad -> good
      1 more judges models: what it is labelled is not shown
    """
    head = f"cycle {batch.cycle}: {batch.labels:,} labels by {batch.stored_method}"
    if batch.reason:
        yield f"{head}; they cannot be derived anew: {batch.reason}"
        return
    if batch.is_same:
        yield f"{head}; the same, byte for byte"
        return
    yield (
        f"{head}; by {batch.method} {batch.changed:,} are others and {batch.moved:,} of the same label have another "
        "posterior"
    )
    if not is_full:
        return
    for one in batch.differences:
        if one.stored != one.now:
            yield f"  {one.sample}  {one.stratum}  {one.stored or 'no label'} -> {one.now or 'no label'}"
    if batch.sealed_changed:
        verb, noun = ("judges", "it is") if batch.sealed_changed == 1 else ("judge", "they are")
        yield f"  {batch.sealed_changed:,} more {verb} models: what {noun} labelled is not shown"
