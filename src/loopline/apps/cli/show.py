"""Answers of the control API as a person reads them in a terminal."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

Answer = Mapping[str, Any]


def status(answer: Answer) -> None:
    """The loop on half a screen."""
    out = Console(highlight=False)
    out.print(f"[bold]{escape(str(answer['loop']))}[/]  {escape(str(answer['awaited']))}")
    for name, line in facts(answer):
        out.print(f"  [dim]{name:<9}[/] {escape(line)}")
    stages = Table("stage", "last", "at", box=None, pad_edge=False, header_style="dim")
    for stage in answer.get("stages", ()):
        stages.add_row(str(stage["name"]), escape(str(stage.get("last") or "-")), moment(stage.get("at")))
    out.print(stages)


def facts(answer: Answer) -> list[tuple[str, str]]:
    """Name and sentence of everything that is known; what does not exist yet is left out."""
    lines: list[tuple[str, str]] = []
    if split := answer.get("split"):
        lines.append(("traffic", traffic(split)))
    if cycle := answer.get("cycle"):
        end = f", {cycle['outcome']}" if cycle.get("outcome") else ""
        lines.append(("cycle", f"{cycle['number']} is {cycle['phase']}{end}: {cycle['reason']}"))
    if progress := answer.get("progress"):
        lines.append(("labels", f"{progress['done']} of {progress['tasks']} tasks done"))
    lines += [("signal", str(signal["reason"])) for signal in answer.get("signals", ())]
    if cadence := answer.get("cadence"):
        lines.append(("cadence", str(cadence["reason"])))
    if counts := answer.get("counts"):
        lines.append(("log", ", ".join(f"{value} {name}" for name, value in counts.items())))
    return lines


def traffic(split: Answer) -> str:
    """Who answers which share.

    >>> traffic({"incumbent": "v1", "challenger": "v2", "basis_points": 1000, "shadow": False})
    'v1 90 %, v2 10 %'
    """
    challenger, share = split.get("challenger"), split.get("basis_points", 0) / 100
    if not challenger:
        return f"{split['incumbent']} 100 %"
    shadow = f", {challenger} in shadow" if split.get("shadow") else ""
    canary = f"{split['incumbent']} {100 - share:g} %, {challenger} {share:g} %"
    return f"{split['incumbent']} 100 %{shadow}" if shadow and not share else canary + shadow


def moment(at: object) -> str:
    """A time to the second, in UTC; empty when there is none.

    >>> moment("2026-11-22T10:49:11.088708Z")
    '2026-11-22 10:49:11'
    """
    return str(at or "")[:19].replace("T", " ")


def tick(answer: Sequence[Answer]) -> None:
    """What was done, one line a command."""
    out = Console(highlight=False)
    for command in answer:
        out.print(escape(f"{command['kind']}: {command['reason']}"))
    if not answer:
        out.print("nothing was due; loopline status says what is awaited")


def why(answer: Answer) -> None:
    """The tree behind a thing: its maker, what that used, and so on back to the world outside."""
    Console(highlight=False).print(branch(answer))


def branch(node: Answer) -> Tree:
    """One thing, the act that made it, and all that it came from."""
    told = (str(node.get("kind") or ""), str(node.get("act") or ""), moment(node.get("at")))
    tree = Tree("  ".join([f"[bold]{escape(str(node['entity']))}[/]", *(escape(part) for part in told if part)]))
    for source in node.get("sources", ()):
        tree.add(branch(source))
    return tree


PAGES: dict[str, Callable[[Any], None]] = {"/api/tick": tick, "/api/status": status, "/api/why": why}
"""Path of the API -> how its answer is shown."""
