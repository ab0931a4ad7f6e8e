"""Answers of the control API as a person reads them in a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Answer = Mapping[str, Any]


def terminal() -> Console:
    """The standard output, for data: what stands in it is printed as it stands, whatever it looks like."""
    return Console(emoji=False, markup=False, highlight=False)


def status(answer: Answer) -> None:
    """The loop on half a screen."""
    out = terminal()
    out.print(Text.assemble((str(answer["loop"]), "bold"), "  ", str(answer["awaited"])), soft_wrap=True)
    for name, line in facts(answer):
        out.print(Text.assemble("  ", (f"{name:<9}", "dim"), " ", line), soft_wrap=True)
    stages = Table(box=None, pad_edge=False, header_style="dim")
    stages.add_column("stage", no_wrap=True)
    stages.add_column("last")
    stages.add_column("at", no_wrap=True)
    for stage in answer.get("stages", ()):
        stages.add_row(str(stage["name"]), str(stage.get("last") or "-"), moment(stage.get("at")))
    out.print(stages)


def facts(answer: Answer) -> list[tuple[str, str]]:
    """Name and sentence of everything that is known; what does not exist yet is left out."""
    lines = [("trouble", str(trouble)) for trouble in answer.get("troubles", ())]
    if split := answer.get("split"):
        lines.append(("traffic", traffic(split)))
    if cycle := answer.get("cycle"):
        lines.append(("cycle", turn(cycle)))
    if progress := answer.get("progress"):
        lines.append(("labels", f"{progress['done']} of {progress['tasks']} tasks done"))
    lines += [("signal", str(signal["reason"])) for signal in answer.get("signals", ())]
    if cadence := answer.get("cadence"):
        lines.append(("cadence", str(cadence["reason"])))
    if counts := answer.get("counts"):
        lines.append(("log", ", ".join(f"{value} {name}" for name, value in counts.items())))
    return lines


def turn(cycle: Answer) -> str:
    r"""How a cycle stands and why it was opened; of a closed one, how it ended and why. Its page has the whole reason.

    >>> turn({"number": 2, "phase": "published", "outcome": "", "reason": "the world moved"})
    '2 is published: the world moved'
    >>> ended = {"phase": "closed", "outcome": "rolled_back", "outcome_reason": "v3 erred\nmore", "reason": "volume"}
    >>> turn({"number": 3, **ended})
    '3 is closed, rolled back: v3 erred'
    """
    outcome = str(cycle.get("outcome") or "")
    if not outcome:
        return f"{cycle['number']} is {cycle['phase']}: {cycle['reason']}"
    why = str(cycle.get("outcome_reason") or "").partition("\n")[0]
    return f"{cycle['number']} is {cycle['phase']}, {outcome.replace('_', ' ')}" + (f": {why}" if why else "")


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
    out = terminal()
    for command in answer:
        out.print(f"{command['kind']}: {command['reason']}", soft_wrap=True)
    if not answer:
        out.print("nothing was due; loopline status says what is awaited")


def why(answer: Answer) -> None:
    """The tree behind a thing: its maker, what that used, and so on back to the world outside. No line is wrapped."""
    out = terminal()
    for line in branch(answer):
        out.print(line, soft_wrap=True)


def branch(node: Answer) -> Iterator[Text]:
    """The lines of one thing: the act that made it, the sentence of that act, and all that it came from."""
    facts = (str(node.get("kind") or ""), str(node.get("act") or ""), moment(node.get("at")))
    yield Text.assemble((str(node["entity"]), "bold"), *(f"  {fact}" for fact in facts if fact))
    sources = tuple(node.get("sources", ()))
    for line in str(node.get("told") or "").splitlines():
        yield Text.assemble("\u2502   " if sources else "    ", (line, "dim"))
    for number, source in enumerate(sources, start=1):
        first, rest = (
            ("\u2514\u2500\u2500 ", "    ") if number == len(sources) else ("\u251c\u2500\u2500 ", "\u2502   ")
        )
        for place, below in enumerate(branch(source)):
            yield Text.assemble(rest if place else first, below)


PAGES: dict[str, Callable[[Any], None]] = {"/api/tick": tick, "/api/status": status, "/api/why": why}
"""Path of the API -> how its answer is shown."""
