"""What the server and its recorder tell each other: a file of orders one way, lines of JSON the other."""

import os
from pathlib import Path

import msgspec

from loopline.records.settings import Settings

ORDERS = "log/recorder.json"
RING, COUNTERS, OWN_COUNTERS, LOCK = "log/ring", "log/counters", "log/counters.recorder", "log/recorder.lock"


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorder needs to know."""

    settings: Settings
    secret: str
    """The file with the word that keys the reserve."""


class Word(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the recorder does; a line is printed when this changes."""

    ready: bool = False
    lost: int = 0
    """Answers that the last processes took with them, counted as dropped at the start."""
    trouble: str = ""
    """Why the log or the object store does not take what waits."""
    refusal: str = ""
    """Why the last exchange that was dropped for good was refused."""
    keeping: str = ""
    """Why the log could not be sealed, packed or cleared out."""
    damage: tuple[str, ...] = ()
    """A sentence for each place of the log that is not as it was written."""


def sentences(word: Word) -> tuple[str, ...]:
    """What is wrong, a sentence each: the thing, the reason, and what happens meanwhile.

    >>> sentences(Word(ready=True, keeping="object store: no answer"))
    ('the log is not sealed or packed now: object store: no answer. It is tried again; nothing is lost',)
    """
    found = []
    if word.trouble:
        found.append(
            f"the log takes no predictions: {_bare(word.trouble)}. It is tried again; answers wait in the ring, and "
            "those that find no room there are dropped and counted"
        )
    if word.refusal:
        found.append(
            f"the log refused an answer for good: {_bare(word.refusal)}. It is counted as dropped; the others are "
            "stored"
        )
    if word.keeping:
        found.append(f"the log is not sealed or packed now: {_bare(word.keeping)}. It is tried again; nothing is lost")
    return (*found, *word.damage)


def _bare(reason: str) -> str:
    return reason.partition("\n")[0].removeprefix("prediction log: ").rstrip(".")


def write_orders(orders: Orders, *, root: Path) -> None:
    """Leave the orders in the folder ``root``, for its owner only."""
    path = root / ORDERS
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(aside, "wb") as file:
        file.write(msgspec.json.encode(orders))
    path.with_suffix(".new").rename(path)


def read_orders(root: Path) -> Orders:
    """The orders in the folder ``root``."""
    return msgspec.json.decode((root / ORDERS).read_bytes(), type=Orders)
