"""Dataset versions as a person reads them in a terminal: lines of text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

Answer = Mapping[str, Any]


def versions(found: Sequence[Answer]) -> list[str]:
    """A line a version.

    >>> one = {"name": "c1", "rows": 1200, "by_class": {"a": 700, "b": 500}, "tags": ["prod"]}
    >>> versions([one | {"cut_at": "2026-01-05T09:00:00Z", "reason": "c1 = c0 + 3 new rows"}])
    ['c1  2026-01-05 09:00:00  1,200 rows (a 700, b 500)  [prod]  c1 = c0 + 3 new rows']
    """
    if not found:
        return ["no dataset yet: name a file of labelled rows under [train] base and start the loop"]
    return [
        "  ".join(
            filter(
                None,
                (
                    str(one["name"]),
                    moment(one["cut_at"]),
                    f"{one['rows']:,} rows ({balance(one['by_class'])})",
                    f"[{', '.join(one['tags'])}]" if one["tags"] else "",
                    safe(one["reason"]),
                ),
            )
        )
        for one in found
    ]


def balance(by_class: Mapping[str, int]) -> str:
    """Rows of each class.

    >>> balance({"a": 1200, "b": 3})
    'a 1,200, b 3'
    """
    return ", ".join(f"{safe(label)} {n:,}" for label, n in by_class.items())


def moment(at: object) -> str:
    """A time to the second, in UTC."""
    return str(at)[:19].replace("T", " ")


def safe(text: object) -> str:
    r"""The text in one line, with nothing that would steer a terminal.

    >>> safe("a\x1b[31m\nb")
    'a [31m b'
    """
    return "".join(mark if mark.isprintable() else " " for mark in str(text))


def megabytes(size: int) -> str:
    """Bytes as a person reads them.

    >>> megabytes(0), megabytes(999), megabytes(1_234_000)
    ('not kept', '999 bytes', '1.2 MB')
    """
    if not size:
        return "not kept"
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def facts(answer: Answer, *, most: int) -> list[str]:
    """Name and value of what is known of a version, then its provenance, then its conflicts."""
    made = answer["manifest"]
    parts = made["held"]["parts"]
    rows = {
        "why": safe(answer["reason"]),
        "rows": f"{answer['rows']:,} ({balance(answer['by_class'])})",
        "added": f"{answer['added']:,}, relabelled {answer['relabelled']:,}, removed {answer['removed']:,}",
        "labels": answer["method"],
        "cut": moment(answer["cut_at"]) + (f" by {safe(answer['made_by'])}" if answer["made_by"] else ""),
        "parent": answer["parent_name"] or "none: imported",
        "tags": ", ".join(answer["tags"]) or "none",
        "size": f"{megabytes(answer['size'])} in {len(parts)} {'part' if len(parts) == 1 else 'parts'}",
        "takes": _contract(made["signature"]),
        "conflicts": f"{answer['conflicts']:,}" + ("; --conflicts lists them" if answer["conflicts"] else ""),
        "manifest": answer["id"],
    }
    lines = [str(answer["name"]), *(f"  {name:<9} {value}" for name, value in rows.items())]
    if told := made.get("provenance"):
        lines.append(f"  {'from':<9} {safe(told['file'])}: {_fate(told)}")
        lines.append(f"  {'':<9} its rows: {told['digest']}")
    for part in parts:
        lines.append(f"  part      c{part['cycle']}  {part['rows']:,} rows  {megabytes(part['size'])}  {part['file']}")
    if "contradictions" in answer:
        lines += conflicts(answer["contradictions"], most=most)
    return lines


def _contract(signature: Answer) -> str:
    width = f" of width {signature['width']}" if signature.get("width") else ""
    return f"{signature['input']}{width}; {', '.join(map(safe, signature['labels']))}"


def _fate(told: Answer) -> str:
    counts = ("kept", "repeated", "outvoted", "undecided", "near")
    return f"{told['read']:,} rows read, " + ", ".join(f"{told[name]:,} {name}" for name in counts)


def conflicts(found: Sequence[Answer], *, most: int) -> list[str]:
    """A line a contradiction.

    >>> one = {"sample": "p9", "before": "bad", "now": "good", "cycle_before": 0, "cycle": 7}
    >>> conflicts([one | {"method": "majority.v1", "reason": "the new label stands"}], most=20)
    ['  p9: bad (cycle 0) to good (cycle 7, majority.v1): the new label stands']
    """
    lines = [
        f"  {safe(one['sample'])}: {safe(one['before'])} (cycle {one['cycle_before']}) to "
        f"{safe(one['now']) or 'no label'} (cycle {one['cycle']}, {one['method']}): {one['reason']}"
        for one in found[:most]
    ]
    if len(found) > most:
        lines.append(f"  and {len(found) - most:,} more; --json lists all")
    return lines or ["  nothing contradicted"]


def changes(answer: Answer) -> list[str]:
    """From one version to another."""
    lines = [
        f"{answer['before']} to {answer['now']}: {answer['added']:,} added, {answer['removed']:,} removed, "
        f"{answer['relabelled']:,} relabelled"
    ]
    lines += [
        f"  {safe(one['label'])}: {one['before']:,} to {one['now']:,} "
        f"({one['share_before']:.1%} to {one['share_now']:.1%})"
        for one in answer["balance"]
    ]
    for kind in ("added", "removed"):
        examples = answer[f"{kind}_examples"]
        lines += [f"  {kind} {safe(one['sample'])}: {safe(one['label'])}  {one['input']}" for one in examples]
        lines += _more(answer[kind], examples, kind)
    examples = answer["relabelled_examples"]
    lines += [
        f"  relabelled {safe(one['sample'])}: {safe(one['before'])} to {safe(one['label'])}  {one['input']}"
        for one in examples
    ]
    return lines + _more(answer["relabelled"], examples, "relabelled")


def _more(n: int, examples: Sequence[Answer], kind: str) -> list[str]:
    return [f"  and {n - len(examples):,} more {kind}"] if n > len(examples) else []


def proof(answer: Answer) -> list[str]:
    """That a version is whole, and its parity when that was asked for."""
    parts = f"{answer['parts']} {'part' if answer['parts'] == 1 else 'parts'}"
    lines = [f"{answer['version']} is whole: {answer['rows']:,} rows in {parts}, every digest found again"]
    if answer["source"]:
        lines.append(f"  {safe(answer['source'])}")
    return lines + (list(parity(answer["parity"])) if "parity" in answer else [])


def parity(report: Answer) -> Iterator[str]:
    """A line for each feature, and for each class that a model was asked about again."""
    if not report["rows"]:
        yield "  parity: no row of this version was labelled by the loop, so nothing was logged to compare with"
        return
    kept = "kept" if report["is_kept"] else "BROKEN"
    yield (
        f"  parity {kept} on {report['rows']:,} rows within {report['tolerance']:g}; "
        f"{report['gone']:,} no longer logged, {report['elsewhere']:,} without their captured bytes"
    )
    for model, lines in report["replay"].items():
        yield from (f"  replay {model} {_line(line)}" for line in lines)
    yield from (f"  recompute {_line(line)}" for line in report["recompute"])


def _line(line: Sequence[Any]) -> str:
    feature, n, largest, differing = line
    return f"{safe(feature)}: largest difference {largest:.2g}, {differing:.1%} of {n:,} differ"


def exported(answer: Answer) -> list[str]:
    """What was written, and where."""
    n = len(answer["files"])
    files = f"{n:,} files" if n > 1 else answer["files"][0]
    return [f"{answer['version']}: {answer['rows']:,} rows as {answer['format']} in {answer['to']} ({files})"]


def formulas(n: int) -> str:
    """What a person who opens the CSV file in a spreadsheet must know.

    >>> formulas(2)
    'note: 2 cells begin like a formula; they are written unchanged, so import the file as text into a spreadsheet'
    """
    cells = "cell begins" if n == 1 else "cells begin"
    return (
        f"note: {n:,} {cells} like a formula; they are written unchanged, so import the file as text into a spreadsheet"
    )


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Takes rows done and rows in all, and shows them on a terminal while the block runs."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not Console(stderr=True).is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
