"""What the person at the terminal sees while the loop turns."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from loopline.apps.cli.show import traffic


def closed_cycles(status: Mapping[str, Any]) -> int:
    """Turns that have ended; the one that trained the first version is not counted."""
    cycle = status.get("cycle")
    if cycle is None:
        return 0
    return int(cycle["number"]) if cycle["phase"] == "closed" else max(0, int(cycle["number"]) - 1)


def is_labelled(status: Mapping[str, Any], *, cycle: int) -> bool:
    """Whether people are done with this cycle's batch."""
    latest = status.get("cycle")
    if latest is None or latest["number"] < cycle:
        return False
    return latest["number"] > cycle or latest["phase"] not in ("open", "selected", "published")


def stage_of(status: Mapping[str, Any]) -> str:
    """The latest turn and how far it is.

    >>> stage_of({"cycle": {"number": 2, "phase": "closed", "outcome": "promoted"}})
    'cycle 2: promoted'
    """
    cycle = status.get("cycle")
    if cycle is None:
        return "starting"
    return f"cycle {cycle['number']}: {cycle['outcome'] or cycle['phase']}"


def counts_of(status: Mapping[str, Any]) -> str:
    """Requests, labels, and who answers now."""
    counts, progress = status.get("counts") or {}, status.get("progress")
    told = [f"{counts.get('answered', 0) - counts.get('repeated', 0):,} predictions"]
    if progress:
        told.append(f"{progress['done']:,} of {progress['tasks']:,} tasks done")
    if split := status.get("split"):
        told.append(traffic(split))
    if signals := status.get("signals"):
        told.append(f"{len(signals)} {'signal' if len(signals) == 1 else 'signals'} raised")
    return ", ".join(told)


def table_of(status: Mapping[str, Any], *, seconds: float) -> Table:
    """The live picture, for a terminal."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("stage", f"{stage_of(status)}   ({closed_cycles(status)} of 3 closed, {seconds:.0f} s)")
    table.add_row("counts", counts_of(status))
    table.add_row("awaited", status.get("awaited") or "the server")
    for signal in status.get("signals") or ():
        table.add_row("signal", str(signal["reason"]))
    return table
