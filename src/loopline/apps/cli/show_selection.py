"""Selections as a person reads them in a terminal."""

from rich.table import Table

from loopline.apps.cli.show import Answer, terminal

SIDES = (("as it was", "stored"), ("what if", "imagined"), ("by chance", "random"))
DIFFERENCES = (("only as it was", "only_stored", "stored"), ("only what if", "only_imagined", "imagined"))


def what_if(answer: Answer) -> None:
    """A batch, what it would have been, and a random one, side by side; and the samples that differ."""
    out = terminal()
    out.print(answer["sentence"], soft_wrap=True)
    if answer["lost"]:
        out.print(answer["lost"], soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(f"cycle {answer['cycle']}")
    for name, _ in SIDES:
        table.add_column(name, justify="right", overflow="fold")
    sides = [answer[key] for _, key in SIDES]
    table.add_row("strategy", *(str(side["strategy"]) for side in sides))
    table.add_row("samples", *(f"{side['samples']:,} of {side['budget']:,}" for side in sides))
    table.add_row("of these at random", *(f"{side['audit']:,}" for side in sides))
    table.add_row("of these chosen", *(f"{side['chosen']:,}" for side in sides))
    clusters = (side["clusters"] if side["held"] else None for side in sides)
    table.add_row(f"clusters of the chosen, of {answer['clusters']:,}", *(_number(one, "") for one in clusters))
    table.add_row("mean margin of the chosen", *(_number(side["mean_margin"], "") for side in sides))
    table.add_row("labelling time", *(_number(side["minutes"], " min") for side in sides))
    out.print(table)
    out.print(f"time: {answer['minutes_from']}; nothing was stored", style="dim", soft_wrap=True)
    for title, key, side in DIFFERENCES:
        total = answer[side]["samples"] - answer["both"]
        named = f", of which these {len(answer[key]):,}" if total > len(answer[key]) else ""
        out.print(f"{title}: {total:,} samples{named}", style="bold", soft_wrap=True)
        for one in answer[key]:
            out.print(f"  {one['id']}  {one['predicted']}  {one['text']}", soft_wrap=True)


def replayed(answer: Answer) -> None:
    """Whether a selection came out again."""
    out = terminal()
    out.print(answer["sentence"], soft_wrap=True)
    for name in answer["missing"]:
        out.print(f"missing: {name}", soft_wrap=True)
    for name in answer["added"]:
        out.print(f"new: {name}", soft_wrap=True)


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.3g}{unit}" if value < 1_000 else f"{value:,.0f}{unit}"
