"""The user's training function, found and loaded."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from blake3 import blake3

from loopline.errors import InvalidRecord, NotFound
from loopline.records.ids import Digest

Train = Callable[..., Any]


class Entry(NamedTuple):
    """What to call, and the digest of the file it stands in."""

    train: Train
    code: Digest


def load_entry(entry: str, *, folder: Path) -> Entry:
    """The function that ``train.py:train`` or ``package.module:function`` names; files are sought in ``folder``.

    Modules beside the trainer can be imported by it. Raises InvalidRecord for a malformed entry, NotFound for one that
    names nothing, and whatever the user's file raises while it is imported.
    """
    where, colon, name = entry.rpartition(":")
    if not (colon and where and name.isidentifier()):
        expected = "'train.py:train' or 'package.module:function'"
        raise InvalidRecord("[train] run", found=repr(entry), expected=expected)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = _file(folder / where) if where.endswith(".py") else _module(where)
    train = getattr(module, name, None)
    if not callable(train):
        functions = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise NotFound(f"function in {where}", name, known=tuple(functions))
    return Entry(train, Digest(blake3(Path(str(module.__file__)).read_bytes()).hexdigest()))


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        beside = sorted(found.name for found in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise NotFound("training file", str(path), known=tuple(beside))
    # A trainer called random.py must not become the module that everyone else imports by that name.
    name = f"trainer_{path.stem}" if path.stem in sys.modules else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidRecord("[train] run", found=str(path), expected="a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # a half-loaded module must not pass for the whole one
        raise
    return module


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise NotFound("training module", name) from error
        raise
