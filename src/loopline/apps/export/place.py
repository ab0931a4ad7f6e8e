"""Where an export goes: a new file, or a folder that holds nothing else; written aside first, then put in its place."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loopline.errors import Conflict, Unavailable

MANIFEST = "manifest.json"
"""Written last: with it the folder is whole."""
OURS = re.compile(
    r"manifest\.json|README\.md|c\d+\.(parquet|csv|jsonl)"
    r"|images|images/[0-9a-f]{64}\.\w+|data|data/train-00000-of-00001\.parquet"
)


@contextmanager
def aside(target: Path, *, is_folder: bool) -> Iterator[Path]:
    """A place to write to, which takes the target's place when the block ends well, and is gone when it does not.

    Raises Conflict when the target holds something else, Unavailable when it cannot be written.
    """
    try:
        _require_free(target, is_folder=is_folder)
        # Within a folder that is there: beside it may be another disk, or a place that nobody may write to.
        home = target if target.is_dir() else target.parent
        home.mkdir(parents=True, exist_ok=True)
        place = home / f".{target.name}.{os.getpid()}"
        _clear(place)
        if is_folder:
            place.mkdir()
        try:
            yield place
            _settle(place, target) if is_folder else place.replace(target)
        finally:
            _clear(place)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unavailable(f"export {target}", reason=reason, remedy="choose a place that you may write to") from error


def _require_free(target: Path, *, is_folder: bool) -> None:
    remedy = "choose another place, or clear this one yourself"
    if not is_folder:
        if target.exists() or target.is_symlink():
            raise Conflict(f"export {target}", found="something of that name", expected="nothing", remedy=remedy)
        return
    if target.exists() and not target.is_dir():
        raise Conflict(f"export {target}", found="a file", expected="a folder", remedy=remedy)
    there = sorted(target.rglob("*"))
    held = [str(path.relative_to(target)) for path in there]
    strange = [name for name, path in zip(held, there, strict=True) if path.is_symlink() or not OURS.fullmatch(name)]
    if strange or (held and MANIFEST not in held):
        found = f"{len(strange or held):,} other files ({(strange or held)[0]})"
        raise Conflict(f"export {target}", found=found, expected="an empty folder, or an export", remedy=remedy)


def _settle(place: Path, target: Path) -> None:
    """Move what was written into the target, in the place of an earlier export; its manifest goes first, comes last."""
    target.mkdir(exist_ok=True)
    (target / MANIFEST).unlink(missing_ok=True)
    for old in target.iterdir():
        if old != place:
            _clear(old)
    for new in sorted(place.iterdir(), key=lambda path: path.name == MANIFEST):
        new.replace(target / new.name)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()
