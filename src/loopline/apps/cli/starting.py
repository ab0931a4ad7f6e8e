"""Commands that start something: ``init``, ``up``, ``demo``."""

from pathlib import Path
from typing import Annotated

import typer

from loopline.apps.cli.options import HOST, LOOP, PORT, Host, LoopFile, Port


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write loop.toml and train.py.")] = Path(),
    *,
    rows: Annotated[
        Path, typer.Option("--from", help="Your labelled rows: .csv or .jsonl with a label column.", metavar="FILE")
    ],
) -> None:
    """Write a loop.toml and a train.py for your own labelled rows."""
    from loopline.apps.cli.starter import write_starter

    for line in write_starter(folder, rows=rows):
        typer.echo(line)
    typer.echo(f"next: loopline up {folder / 'loop.toml'}")


def up(loop: LoopFile = LOOP, *, port: Port = PORT, host: Host = HOST) -> None:
    """Run the loop: endpoint, pages, controller and recorder."""
    from loopline.apps.cli.preflight import loopback
    from loopline.apps.config import load_settings
    from loopline.apps.config.files import check_files

    loopback(host)
    settings = load_settings(loop)
    check_files(settings)

    from loopline.apps.http.server import serve
    from loopline.apps.wiring import FOLDER

    serve(settings, root=Path(settings.folder) / FOLDER, host=host, port=port)


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Leave when the cycles are done; no pages left up.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use digits from scikit-learn, fetch nothing.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the result as one JSON object.", metavar="FILE")] = None,
    dir: Annotated[Path, typer.Option(help="Where the demo lives; the same folder goes on.")] = Path(".loopline/demo"),  # noqa: A002  the option's name
    port: Port = PORT,
) -> None:
    """Watch the loop close three times on real people's sentences."""
    from loopline.apps.demo.main import run_demo

    code = run_demo(once=once, offline=offline, json_path=json, folder=dir, port=port)
    raise typer.Exit(code)
