"""The user's training function, found and loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from loopline.adapters.python.source import Sought, find
from loopline.records.ids import Digest

Train = Callable[..., Any]
SOUGHT = Sought("[train] run", "training", "train")


class Entry(NamedTuple):
    """What to call, and the digest of the file it stands in."""

    train: Train
    code: Digest


def load_entry(entry: str, *, folder: Path) -> Entry:
    """The function that ``train.py:train`` or ``package.module:function`` names; files are sought in ``folder``.

    Modules beside the trainer can be imported by it. Raises as ``adapters.python.source.find`` does, and whatever the
    user's file raises while it is imported.
    """
    return Entry(*find(entry, folder=folder, sought=SOUGHT))
