"""One row of a file on its way in."""

from typing import Any, NamedTuple


class Row(NamedTuple):
    """What a file holds at one place: the fields that the door takes, or why there are none."""

    place: str
    """``served.jsonl line 17``."""
    fields: dict[str, Any]
    trouble: str = ""
    """Why the row is bad: what was found and what is expected; ``fields`` is empty then."""


class Found(NamedTuple):
    """A JSON object as a file holds it."""

    place: str
    id: str
    """The same for the same place of the same file: what makes a second run harmless."""
    content: Any
    """Decoded; of a row that is none, None."""
    trouble: str = ""
    at: float = 0.0
    """Seconds since 1970 at which the file was written: for rows that do not say when they happened."""


class Parts(NamedTuple):
    """How far a file has been read."""

    name: str
    done: int
    of: int
    """Bytes, or rows; ``done`` reaches it at the end."""
