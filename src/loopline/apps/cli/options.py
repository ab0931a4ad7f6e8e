"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

LoopFile = Annotated[Path, typer.Argument(help="The loop's description.", metavar="LOOP.TOML")]
LoopOption = Annotated[Path, typer.Option("--loop", help="The loop's description.", metavar="LOOP.TOML")]
Port = Annotated[int, typer.Option(help="Port of the pages and the endpoint.", min=1, max=65_535)]
Host = Annotated[str, typer.Option(help="Loopback address to listen on.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

LOOP = Path("loop.toml")
PORT = 8686
HOST = "127.0.0.1"
