"""A function in the owner's own Python, found by ``file.py:name`` or ``package.module:name``."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from blake3 import blake3

from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.records.ids import Digest

_CODE = "__loopline_code__"
"""Set on a module that was imported here: the digest of the source that it was made from."""


class Sought(NamedTuple):
    """How the function is spoken of when it is not found."""

    key: str
    """Where its name is written: ``[train] run``."""
    role: str
    """``training``, ``model``."""
    example: str
    """``train``."""

    @property
    def form(self) -> str:
        """Both ways to write it."""
        return f"'{self.example}.py:{self.example}' or 'package.module:function'"


class Source(NamedTuple):
    """What to call, and the digest of the file it stands in."""

    call: Callable[..., Any]
    code: Digest


def find(entry: str, *, folder: Path, sought: Sought) -> Source:
    """The function that the entry names; files are sought in ``folder``, and modules there first.

    Modules beside the file can be imported by it. Raises InvalidRecord for a malformed entry, NotFound for one that
    names nothing, Conflict for a module that was changed since this process imported it, and whatever the file raises
    while it is imported.
    """
    where, colon, name = entry.rpartition(":")
    if not (colon and where and name.isidentifier()):
        raise InvalidRecord(sought.key, found=repr(entry), expected=sought.form)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module = _file(folder / where, sought) if where.endswith(".py") else _module(where, sought)
    function = getattr(module, name, None)
    if not callable(function):
        functions = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise NotFound(f"function in {where}", name, known=tuple(functions))
    return Source(function, _code(module))


def _code(module: ModuleType) -> Digest:
    path = Path(str(module.__file__))
    code = Digest(blake3(path.read_bytes()).hexdigest())
    imported = vars(module).setdefault(_CODE, code)
    if imported != code:
        raise Conflict(
            f"module {module.__name__}",
            found=f"imported before {path.name} was changed",
            expected="the source that is there now",
            remedy="start this process again",
        )
    return code


def _file(path: Path, sought: Sought) -> ModuleType:
    if not path.is_file():
        beside = sorted(found.name for found in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise NotFound(f"{sought.role} file", str(path), known=tuple(beside))
    # A trainer called random.py must not become the module that everyone else imports by that name.
    name = f"{sought.role}_{path.stem}" if path.stem in sys.modules else path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidRecord(sought.key, found=str(path), expected="a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]  # a half-loaded module must not pass for the whole one
        raise
    return module


def _module(name: str, sought: Sought) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise NotFound(f"{sought.role} module", name) from error
        raise
