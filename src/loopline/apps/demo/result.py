"""The report as a table for a person and as one JSON object for a program."""

from typing import Any

from rich.console import Console
from rich.table import Table

from loopline.apps.demo.measuring import Accuracy
from loopline.apps.demo.report import Report, verdict_on_choosing


def as_json(report: Report) -> dict[str, Any]:
    """The object that ``--json`` writes."""
    return {
        "dataset": report.dataset,
        "seconds": round(report.seconds, 1),
        "cycles": report.cycles,
        "labels": report.labels,
        "versions": [
            {
                "name": version.name,
                "accuracy_new": version.new.value,
                "accuracy_old": version.old.value,
                "ci": [version.new.low, version.new.high],
            }
            for version in report.versions
        ],
        "random_accuracy_new": report.random_accuracy,
        "promoted": list(report.promoted),
        "flagged_annotators": [standing.annotator for standing in report.flagged],
        "signals": [signal.id for signal in report.signals],
        "lineage_complete": report.is_lineage_complete,
        "predictions_answered": report.answered,
        "records_stored": report.stored,
        "drops": report.dropped,
    }


def print_report(report: Report, console: Console) -> None:
    """Everything, for the person at the terminal."""
    console.print(_versions(report))
    console.print(verdict_on_choosing(report), style="bold", highlight=False)
    for title, lines in _sections(report):
        console.print(f"\n[bold]{title}[/bold]")
        for line in lines:
            console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def _versions(report: Report) -> Table:
    table = Table(title=f"Accuracy in percent, 95 % interval (Wilson)\n{report.dataset}", title_justify="left")
    table.add_column("version", no_wrap=True)
    table.add_column("outcome")
    for name, part in ((report.after_name, "new"), (report.before_name, "old")):
        n = getattr(report.versions[0], part).n if report.versions else 0
        table.add_column(f"never-sent {name}, n = {n:,}", justify="right")
    for version in report.versions:
        table.add_row(version.name, version.outcome, _percent(version.new), _percent(version.old))
    if report.what_if is not None and report.random_accuracy is not None:
        spread = f"{100 * min(report.what_if.accuracies):.1f} to {100 * max(report.what_if.accuracies):.1f}"
        seeds = f"{report.what_if.labels} random labels, mean and spread of {len(report.what_if.accuracies)} seeds"
        table.add_section()
        table.add_row("what if", seeds, f"{100 * report.random_accuracy:.1f}  ({spread})", "")
    return table


def _percent(accuracy: Accuracy) -> str:
    return f"{100 * accuracy.value:.1f}  ({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"


def _sections(report: Report) -> list[tuple[str, list[str]]]:
    labels = ", ".join(f"{count} {stratum}" for stratum, count in report.labels.items()) or "none"
    agreement = [f"cycle {cycle}: alpha {alpha:.2f} over {n} samples" for cycle, alpha, n in report.agreement]
    promoted = ", ".join(report.promoted) or "none"
    whole = "complete: everything stored has a maker" if report.is_lineage_complete else "INCOMPLETE"
    return [
        ("Labels spent", [f"{labels}; from {report.annotations:,} answers", *agreement]),
        ("Annotators flagged", [f"{s.annotator}: {s.reason}" for s in report.flagged] or ["nobody"]),
        ("Signals", [signal.reason for signal in report.signals] or ["none"]),
        ("Decisions", list(report.decisions) or ["none"]),
        (f"Why one prediction (lineage {whole})", list(report.why) or ["no prediction in the log"]),
        (
            "Account",
            [
                f"{report.answered:,} predictions answered = {report.stored:,} stored + {report.dropped:,} dropped",
                f"{report.cycles} turns in {report.seconds:.0f} seconds; promoted: {promoted}",
            ],
        ),
    ]
