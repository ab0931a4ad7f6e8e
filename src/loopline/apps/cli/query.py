"""Commands that read the prediction log: ``query``, ``tail``."""

import io
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from loopline.apps.cli.options import LOOP, LoopOption
from loopline.errors import InvalidRecord, Unavailable

if TYPE_CHECKING:
    import pyarrow as pa

    from loopline.apps.cli.door import Request
    from loopline.records.settings import Settings

Shape = Literal["table", "csv", "json", "parquet"]
SUFFIXES: dict[str, Shape] = {".csv": "csv", ".json": "json", ".parquet": "parquet"}
LIMIT = 1_000
TAIL_ROWS = 10
"""Shown when no reader is named."""
PAGE = 1_000
"""Positions in one answer of the tail."""
FOLLOW_SECONDS = 1.0
WIDEST = 60
"""Characters of one value in a table."""
NARROW = 3
"""Digits after the point in a table."""
TOO_LARGE = "an answer holds at most 64 MB; ask for fewer columns"


def query(  # noqa: PLR0913  each is an option of the command
    sql: Annotated[str, typer.Argument(help="One SELECT; DESCRIBE predictions lists the columns.")] = "",
    *,
    ask: Annotated[str, typer.Option(help="A ready question instead, by name.")] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the ready questions.")] = False,
    format: Annotated[Shape | None, typer.Option(help="By default a table, or what the file's name says.")] = None,  # noqa: A002  the option's name
    output: Annotated[Path | None, typer.Option(help="Write to this file.")] = None,
    limit: Annotated[int, typer.Option(help="Most rows.", min=1)] = LIMIT,
    timeout: Annotated[str, typer.Option(help="Most time, such as 30s or 2m.")] = "10s",
    hot: Annotated[bool, typer.Option("--hot", help="Leave the archive out.")] = False,
    loop: LoopOption = LOOP,
) -> None:
    """Ask the prediction log in SQL. Reserve rows are in no view; nothing can be changed."""
    from loopline.adapters.duckdb.questions import QUESTIONS, question

    if list_:
        for one in QUESTIONS:
            typer.echo(f"{one.name:<10} {one.title}")
        return
    shape = format or SUFFIXES.get(output.suffix.lower() if output else "", "table")
    text = asked(sql, question(ask).sql if ask else "")
    _require_place(shape, output)
    body = {"sql": text, "limit": limit, "seconds": seconds_of(timeout), "format": "arrow", "hot": hot}
    table, is_cut = _fetched(loop, body)
    written = spelled(table, shape)
    if output:
        output.write_bytes(written)
    else:
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()
    if is_cut:
        typer.echo(cut(table.num_rows, limit=limit), err=True)


def cut(rows: int, *, limit: int) -> str:
    """Why there are no more rows than these.

    >>> cut(1, limit=1)
    'cut at 1 row; --limit asks for more'
    >>> cut(2_000, limit=5_000)
    'cut at 2,000 rows: an answer holds at most 64 MB; ask for fewer columns'
    """
    shown = f"cut at {rows:,} row{'' if rows == 1 else 's'}"
    return f"{shown}; --limit asks for more" if rows == limit else f"{shown}: {TOO_LARGE}"


def asked(sql: str, ready: str) -> str:
    """The one query that was meant. Raises InvalidRecord."""
    if bool(sql.strip()) == bool(ready):
        found = "both a query and --ask" if ready else "no query"
        raise InvalidRecord("query", found=found, expected="one", remedy="--list shows the ready ones")
    return sql if sql.strip() else ready


def seconds_of(timeout: str) -> float:
    """The seconds in ``30s`` or ``2m``. Raises InvalidRecord.

    >>> seconds_of("30s"), seconds_of("2m")
    (30.0, 120.0)
    """
    from loopline.apps.config.values import seconds

    try:
        return seconds(timeout)
    except ValueError:
        raise InvalidRecord("timeout", found=repr(timeout), expected='a duration such as "30s" or "2m"') from None


def _require_place(shape: Shape, output: Path | None) -> None:
    if shape == "parquet" and output is None and sys.stdout.isatty():
        raise InvalidRecord(
            "parquet", found="a terminal", expected="a file", remedy="add --output answer.parquet, or redirect"
        )


def _fetched(loop: Path, body: dict[str, Any]) -> "tuple[pa.Table, bool]":
    import pyarrow as pa

    from loopline.apps.cli.door import Request, reach

    settings, root = _loop(loop)
    answer = reach(settings, Request("POST", "/api/query", body=body), root=root)
    with pa.ipc.open_stream(io.BytesIO(answer.content)) as reader:
        return reader.read_all(), answer.headers.get("loopline-cut") == "true"


def _loop(loop: Path) -> "tuple[Settings, Path]":
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER

    settings = load_settings(loop)
    return settings, Path(settings.folder) / FOLDER


def spelled(table: "pa.Table", shape: Shape) -> bytes:
    """The rows in this format, as they are written out."""
    from loopline.adapters.duckdb.formats import csv, distinct, parquet, rows

    if shape == "parquet":
        return parquet(table)
    if shape == "csv":
        return csv(table)
    if shape == "json":
        names = distinct(table.column_names)
        found = [dict(zip(names, row, strict=True)) for row in rows(table)]
        return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"  # what is no number becomes null
    return _drawn(table)


def _drawn(table: "pa.Table") -> bytes:
    """A table for a terminal: numbers to the right, long values cut."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from loopline.adapters.duckdb.formats import kind, rows

    sheet = Table(box=None, pad_edge=False, header_style="dim")
    for field in table.schema:
        sheet.add_column(Text(field.name), justify="right" if kind(field.type) == "number" else "left", no_wrap=True)
    for row in rows(table):
        sheet.add_row(*(Text(shown(value)) for value in row))
    out = io.StringIO()
    is_terminal = sys.stdout.isatty()
    console = Console(file=out, force_terminal=is_terminal, width=None if is_terminal else 10_000, highlight=False)
    console.print(sheet)
    console.print(Text(f"{table.num_rows:,} row{'' if table.num_rows == 1 else 's'}", style="dim"))
    return out.getvalue().encode()


def shown(value: object) -> str:
    """One value in one line.

    >>> shown(None), shown(0.123456), shown([0.25, 1]), shown(True)
    ('-', '0.123', '[0.25, 1]', 'true')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.{NARROW}f}" if 0.001 <= abs(value) < 1e9 else f"{value:.{NARROW}g}"
    text = value if isinstance(value, str) else json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
    flat = "".join(mark if mark.isprintable() else " " for mark in text)
    return flat if len(flat) <= WIDEST else f"{flat[: WIDEST - 1]}\u2026"


def tail(
    *,
    reader: Annotated[str, typer.Option(help="Go on where this reader stopped, and note how far it came.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more until Ctrl-C; needs a running server.")
    ] = False,
    most: Annotated[int, typer.Option(help="Stop after so many; 0: at the end.", min=0)] = 0,
    loop: LoopOption = LOOP,
) -> None:
    """Print new answers of live versions as JSON lines. Rows that are sealed in the reserve are left out."""
    from loopline.apps.cli.door import is_served

    settings, root = _loop(loop)
    if follow and not is_served(root):
        reason = "no server runs on this folder, so nothing new comes"
        raise Unavailable("loop", reason=reason, remedy="start it: loopline up")
    try:
        _print_news(Reader(settings, root=root, name=reader, is_patient=follow), most=most)
    except BrokenPipeError:  # whoever read the lines has enough; the offset stays at the last whole page
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Reader:
    """Pages of the log's end: after a named reader's offset, or from the last few rows on."""

    def __init__(self, settings: "Settings", *, root: Path, name: str, is_patient: bool) -> None:
        self._settings, self._root, self._name = settings, root, name
        self.is_patient = is_patient
        """Whether the end of the log is waited at."""
        self.rows = PAGE if name else TAIL_ROWS
        """Of one page."""
        self._noted = 0

    def page(self, *, after: int | None, most: int) -> Any:
        """The next rows, where they end, and where the log does."""
        from loopline.apps.cli.door import Request

        params = {"reader": self._name, "most": str(most)} | ({} if after is None else {"after": str(after)})
        return self._ask(Request("GET", "/api/tail", params))

    def note(self, position: int) -> None:
        """The rows up to here are written out."""
        from loopline.apps.cli.door import Request

        if self._name and position > self._noted:
            self._ask(Request("POST", "/api/tail", body={"reader": self._name, "position": position}))
            self._noted = position

    def _ask(self, request: "Request") -> Any:
        from loopline.apps.cli.door import ask, reach_server, read

        if not self.is_patient:
            return ask(self._settings, request, root=self._root)
        while True:
            try:
                return read(reach_server(request, root=self._root))
            except Unavailable:  # it restarts; the folder is not taken from it
                time.sleep(FOLLOW_SECONDS)


def _print_news(reader: Reader, *, most: int) -> None:
    """Write every new row as a line, page by page; an offset moves only after its lines were written out."""
    printed, after = 0, None
    while True:
        page = reader.page(after=after, most=min(PAGE, most - printed) if most else reader.rows)
        for row in page["rows"]:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        printed, after = printed + len(page["rows"]), page["until"]
        reader.note(after)
        if most and printed >= most:
            return
        if after >= page["end"]:
            if not reader.is_patient:
                return
            time.sleep(FOLLOW_SECONDS)
