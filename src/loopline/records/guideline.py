"""What people are told to go by, how it changed, and what was said about it."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import LoopName


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A sample with its right answer."""

    text: str
    label: str
    why: str = ""


class Guideline(msgspec.Struct, frozen=True, kw_only=True):
    """One version; the newest holds, the others are kept."""

    loop: LoopName
    version: int
    """From 1."""
    text: str
    examples: tuple[Example, ...] = ()
    at: datetime
    author: str
    reason: str
    """What changed, and why."""


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """One word in a thread about the guideline."""

    id: str
    loop: LoopName
    thread: str
    """The id of the remark that opened it; its own, for that one."""
    at: datetime
    author: str
    text: str
    kind: Literal["gap", "reply", "settled"]
    """Opens a thread; goes on with it; closes it."""
    task: str = ""
    """The task in which the gap was found."""
    version: int = 0
    """The version of the guideline that it is about, or that settles it."""
