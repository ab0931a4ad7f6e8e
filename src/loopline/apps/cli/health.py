"""Commands about the installation itself: ``doctor``, ``version``."""

import json as json_text
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from loopline import __version__
from loopline.apps.cli.options import HOST, LOOP, PORT, AsJson, LoopFile, Port
from loopline.errors import LooplineError

if TYPE_CHECKING:
    from loopline.records.settings import Settings

PARTS = ("numpy", "scipy", "pyarrow", "scikit-learn", "onnxruntime", "faiss-cpu", "sqlalchemy", "litestar", "uvicorn")
SPACE_MB = 500


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    is_well: bool
    found: str


def doctor(loop: LoopFile = LOOP, *, port: Port = PORT, json: AsJson = False) -> None:
    """Look at Python, packages, pages, disk, folder, port, loop.toml and its files; code 2 when something is wrong."""
    checks = list(examine(loop, port=port))
    if json:
        typer.echo(json_text.dumps([check._asdict() for check in checks]))
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check.is_well else 'FAIL'} {check.name}: {check.found}")
    if not all(check.is_well for check in checks):
        raise typer.Exit(2)


def version() -> None:
    """Print the version."""
    typer.echo(f"loopline {__version__}")


def examine(loop: Path, *, port: int) -> Iterator[Check]:
    """Every check in turn; none stops the next."""
    from loopline.apps.cli import preflight
    from loopline.apps.config import load_settings
    from loopline.apps.config.files import check_files

    yield Check("python", sys.version_info >= (3, 11), f"{platform.python_version()}, 3.11 or later is needed")
    yield _packages()
    yield pages(Path(__file__).parent.parent / "web" / "static")
    space = shutil.disk_usage(loop.resolve().parent if loop.resolve().parent.exists() else Path()).free // 2**20
    yield Check("disk", space >= SPACE_MB, f"{space} MB free, {SPACE_MB} MB are needed")
    root = loop.resolve().parent / preflight.FOLDER
    yield _attempt("folder", lambda: preflight.writable(root), f"{root} can be written")
    if place := preflight.running(root):
        yield Check(f"port {port}", True, place)
    else:
        yield _attempt(f"port {port}", lambda: preflight.free(HOST, port), "free")
    yield _attempt(str(loop), lambda: load_settings(loop), "valid")
    with suppress(LooplineError):  # told by the line before
        settings = load_settings(loop)
        yield _attempt("files", lambda: check_files(settings), "valid")
        yield from _stores(settings, root=root)


def _stores(settings: "Settings", *, root: Path) -> Iterator[Check]:
    """The state database and the object store, where they are not in the loop's own folder: used, and left as found."""
    from loopline.adapters.objectstore.probe import probe
    from loopline.apps.recorder.opening import open_objects, place_of_objects, place_of_state, state_url

    if place := place_of_state(settings):
        from loopline.adapters.sql.database import open_database

        yield _attempt("database", lambda: open_database(state_url(settings, root=root)).dispose(), place)
    if place := place_of_objects(settings):
        try:
            wrong = probe(open_objects(settings, root=root, secret=b""))
        except Exception as error:
            wrong = str(error)
        yield Check("object store", not wrong, wrong or f"{place}: put, read and deleted an object")


def pages(static: Path) -> Check:
    """Whether the pages' scripts and styles were built into this folder; an empty one is not enough."""
    style = static / "style.css"
    if not style.is_file():
        return Check("pages", False, f"not built: {style} is missing; install again")
    return Check("pages", True, "built")


def _packages() -> Check:
    found = []
    for name in PARTS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            return Check("packages", False, f"{name} is missing; install again")
    return Check("packages", True, ", ".join(found))


def _attempt(name: str, act: Callable[[], object], well: str) -> Check:
    try:
        act()
    except Exception as error:
        return Check(name, False, str(error))
    return Check(name, True, well)
