"""What installed packages bring by entry points: found by name, loaded when it is asked for."""

import re
from collections.abc import Container
from importlib import metadata
from typing import Any, NamedTuple

from loopline.errors import Conflict, InvalidRecord, Unavailable

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.v[0-9]+)?")


class Group(NamedTuple):
    """One entry point group, and what its entries must be."""

    name: str
    """``loopline.questions``."""
    kind: str
    """In words: ``question``."""
    parts: tuple[str, ...]
    """What an object of this kind has."""


def entries(group: Group, *, built_in: Container[str]) -> dict[str, metadata.EntryPoint]:
    """The entries by name; imports nothing.

    Raises InvalidRecord for a name that cannot be one, Conflict when two are called so, or one as a built-in one is.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for entry in sorted(metadata.entry_points(group=group.name), key=lambda each: (each.name, each.value)):
        thing = called(group, entry)
        if not NAME.fullmatch(entry.name):
            expected = "small letters, digits and -, such as spans or spans.v2"
            raise InvalidRecord(thing, found=f"the name {entry.name!r}", expected=expected)
        twin = found.get(entry.name, entry)
        if entry.name in built_in or twin.value != entry.value:
            other = "one that is built in" if entry.name in built_in else twin.value
            remedy = "uninstall one of them, or give it another name"
            raise Conflict(thing, found=f"{other} has that name", expected=f"one {group.kind}", remedy=remedy)
        found[entry.name] = entry
    return found


def called(group: Group, entry: metadata.EntryPoint) -> str:
    """What messages call an entry: ``question spans (mine:SPANS)``."""
    return f"{group.kind} {entry.name} ({entry.value})"


def loaded(group: Group, entry: metadata.EntryPoint) -> Any:
    """What the entry points to; of a class, an object made without arguments.

    Raises Unavailable when it cannot be imported or made, InvalidRecord when it lacks a part.
    """
    try:
        thing = entry.load()
        thing = thing() if isinstance(thing, type) else thing
        missing = [part for part in group.parts if not hasattr(thing, part)]
    except Exception as error:
        reason = f"it cannot be imported: {type(error).__name__}: {error}"
        raise Unavailable(called(group, entry), reason=reason, remedy="mend it, or uninstall its package") from error
    if missing:
        found = f"{type(thing).__name__} without {', '.join(missing)}"
        raise InvalidRecord(called(group, entry), found=found, expected=f"an object with {', '.join(group.parts)}")
    return thing
