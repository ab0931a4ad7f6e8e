"""The command line whole: every command, and the one place where an error becomes a line and an exit code."""

import errno
import sys
from typing import NoReturn

import typer

from loopline.apps.cli import (
    accuracy,
    asking,
    bring,
    datasets,
    guideline,
    health,
    keys,
    labels,
    models,
    people,
    query,
    reserve,
    selecting,
    starting,
    tasks,
    users,
)
from loopline.errors import LooplineError

app = typer.Typer(
    name="loopline",
    help="A closed active-learning loop for models in production.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    starting.init,
    starting.up,
    starting.demo,
    asking.tick,
    asking.status,
    asking.why,
    accuracy.accuracy,
    reserve.reserve,
    selecting.select,
    selecting.replay,
    query.query,
    query.tail,
    users.audit,
    health.doctor,
    health.version,
):
    app.command()(command)

app.command("import")(bring.bring)
for group in (datasets.app, models.app, keys.app, users.app, people.app, guideline.app, tasks.app, labels.app):
    app.add_typer(group)

INTERRUPTED = 130
REFUSED = 2


def main() -> NoReturn:
    """Run the command in ``sys.argv`` and leave with 0, with 2 after one clear line, or with 130 after Ctrl-C."""
    try:
        app()
    except LooplineError as error:
        refuse(str(error))
    except OSError as error:
        refuse(line_of(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    sys.exit(0)


def refuse(line: str) -> NoReturn:
    """Say why on standard error and leave with code 2."""
    sys.stderr.write(f"loopline: {line}\n")
    sys.exit(REFUSED)


def line_of(error: OSError) -> str:
    """What the system refused, and a way out where there is one.

    >>> line_of(PermissionError(errno.EACCES, "Permission denied", "/srv/loop"))
    '/srv/loop: Permission denied; choose a folder that you may write to'
    """
    remedies = {
        errno.EACCES: "choose a folder that you may write to",
        errno.EROFS: "choose a folder that you may write to",
        errno.ENOSPC: "free some space",
        errno.EADDRINUSE: "choose another with --port",
    }
    thing = f"{error.filename}: " if error.filename else ""
    remedy = remedies.get(error.errno or 0, "")
    return f"{thing}{error.strerror or error}" + (f"; {remedy}" if remedy else "")
