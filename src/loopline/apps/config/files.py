"""What the files named in ``loop.toml`` hold, looked at before anything starts: rows that fit, a trainer that is there.

The trainer is read, not run: whatever it would do when imported is left to the training process.
"""

import ast
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from loopline.apps import questions
from loopline.apps.config.problems import InvalidSettings, Problem
from loopline.apps.config.rows import read_rows
from loopline.errors import InvalidRecord, NotFound
from loopline.records.dataset import LabelledRow
from loopline.records.settings import Settings

BASE = "train.base"
GOLD = "annotate.gold_file"
SEVERAL = 3
"""How many rows a sentence names."""


def check_files(settings: Settings) -> None:
    """Nothing, when base, anchor, gold and trainer can be used.

    Raises:
        InvalidSettings: with every problem at once: rows that cannot be read or carry another label, anchor or gold
            rows that are base rows as well, a base set of one class, a trainer that is not there.
    """
    problems = [*rows_problems(settings), *trainer_problems(settings)]
    if problems:
        raise InvalidSettings(f"files of loop {settings.name}", problems)


def rows_problems(settings: Settings) -> Iterator[Problem]:
    """What is wrong with the labelled files: the first bad line of each, one class only, rows in two roles."""
    folder = Path(settings.folder)
    names = {BASE: settings.train.base, "gate.anchor": settings.gate.anchor_file}
    names[GOLD] = settings.annotate.gold_file
    names["serve.checks"] = settings.serve.checks
    read: dict[str, tuple[LabelledRow, ...]] = {}
    asked = {GOLD: questions.resolved(settings.annotate.question)}
    for key, name in names.items():
        try:
            read[key] = read_rows(folder / name, settings.signature, question=asked.get(key)) if name else ()
        except InvalidRecord as error:
            yield Problem(key, found=f"{error.thing}: {error.found}", allowed=error.expected)
        except (NotFound, OSError) as error:
            yield Problem(key, found=str(error), allowed=f"a file in {folder} that can be read")
    base = read.pop(BASE, ())
    classes = sorted({row.label for row in base})
    if len(classes) == 1:
        yield Problem(
            BASE, found=f"{names[BASE]} with the label {classes[0]} only", allowed="rows of two or more labels"
        )
    read.pop("serve.checks", None)  # to verify a model is not to judge it
    yield from (problem for key, rows in read.items() for problem in shared(key, names[key], rows, base=base))


def shared(key: str, name: str, rows: tuple[LabelledRow, ...], *, base: tuple[LabelledRow, ...]) -> Iterator[Problem]:
    """The rows that are trained on as well: what a model has seen can judge neither it nor people."""
    trained = {row.inputs for row in base}
    both = [row.id for row in rows if row.inputs in trained]
    if not both:
        return
    allowed = "rows that are not trained on"
    if len(both) == len(rows) == len(base):
        yield Problem(key, found=f"{name}, the same rows as {BASE}", allowed=allowed)
        return
    named = ", ".join(both[:SEVERAL]) + (", ..." if len(both) > SEVERAL else "")
    yield Problem(key, found=f"{name}: {len(both)} of {len(rows)} rows are in {BASE} too ({named})", allowed=allowed)


def trainer_problems(settings: Settings) -> Iterator[Problem]:
    """What is wrong with ``train.run``: no such file or module, no Python, no such function."""
    where, _, function = settings.train.run.rpartition(":")
    if not where:
        return
    path = source_of(where, folder=Path(settings.folder))
    if path is None:
        allowed = f"a file in {settings.folder}, or a module that can be imported"
        yield Problem("train.run", found=f"{where}, which is not there", allowed=allowed)
        return
    if path.suffix != ".py":  # compiled: what it defines shows when it is imported
        return
    try:
        names = defined(ast.parse(path.read_bytes(), filename=path.name))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        found = f"{path.name}{f' line {line}' if line else ''}: {getattr(error, 'msg', error)}"
        yield Problem("train.run", found=found, allowed="a file of Python")
        return
    except OSError as error:
        yield Problem("train.run", found=f"{path.name}: {error.strerror}", allowed="a file that can be read")
        return
    if function not in names and "*" not in names:
        known = ", ".join(name for name in names if not name.startswith("_")) or "nothing"
        yield Problem("train.run", found=f"no function {function} in {where}", allowed=f"one that it defines: {known}")


def source_of(where: str, *, folder: Path) -> Path | None:
    """The file behind ``train.py`` or ``package.module``, found without importing anything; None when there is none."""
    if where.endswith(".py"):
        return folder / where if (folder / where).is_file() else None
    search: list[str] | None = [str(folder), *sys.path]
    origin: str | None = None
    name = ""
    for part in where.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, search)
        if spec is None:
            return None
        search, origin = list(spec.submodule_search_locations or ()), spec.origin
    return Path(origin) if origin else None


def defined(module: ast.Module) -> tuple[str, ...]:
    r"""The names that a module binds at its top level, sorted; ``*`` when it takes over all names of another one.

    >>> defined(ast.parse("from a import b as c\ndef train(dataset, run): x = 1"))
    ('c', 'train')
    """
    return tuple(sorted({name for statement in module.body for name in _bound(statement)}))


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in names)
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            return
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _bound(child)
