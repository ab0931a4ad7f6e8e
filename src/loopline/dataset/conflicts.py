"""Contradicting labels as bytes: what was settled when a version was cut, kept with it."""

from collections.abc import Sequence

import msgspec

from loopline.dataset.parts import Objects, Source
from loopline.errors import InvalidRecord
from loopline.records.dataset import Conflict
from loopline.records.ids import Digest

NEW = "the new label stands"
SUREST = "the surest label of the batch stands"
TIED = "its labels tie, so it is left out"


def stored(conflicts: Sequence[Conflict], *, objects: Objects) -> Digest | None:
    """The object that holds the conflicts, by content, as JSON; None when there are none."""
    ordered = sorted(conflicts, key=lambda one: (one.content, one.before, one.now))
    return objects.put(msgspec.json.encode(ordered, order="sorted")) if ordered else None


def read(file: Digest | None, *, objects: Source) -> tuple[Conflict, ...]:
    """The conflicts in this object. Raises InvalidRecord when it holds none."""
    try:
        return msgspec.json.decode(objects.get(file), type=tuple[Conflict, ...]) if file else ()
    except msgspec.DecodeError as error:
        raise InvalidRecord(f"dataset conflicts {file}", found=str(error), expected="conflicts as JSON") from error
