"""Tags: names that people give to dataset versions."""

import re
from datetime import datetime

from loopline.apps.notebook.library import Library, Shelves
from loopline.errors import Conflict, InvalidRecord
from loopline.records.dataset import Tag
from loopline.records.ids import CommandId
from loopline.records.keys import entity_of
from loopline.records.lineage import Activity, Entry, Event

NAME = re.compile(r"(?!c\d+$)[a-z0-9][a-z0-9._-]{0,62}")


def tagged(house: Shelves, name: str, *, version: str, now: datetime, actor: str, is_moved: bool = False) -> Tag:
    """The tag, set on this version, with who set it in the run graph. Setting it again where it is changes nothing.

    Raises InvalidRecord for no such name, NotFound for an unknown version, Conflict for a tag that stands elsewhere
    unless it ``is_moved``.
    """
    if not NAME.fullmatch(name):
        expected = "lower-case letters, digits, '.', '_' and '-', at most 63, and no version's name"
        raise InvalidRecord(f"tag {name!r}", found="no name for a tag", expected=expected)
    library = Library(house)
    found = library.find(version)
    old = next((tag for tag in library.tags if tag.name == name), None)
    if old and old.dataset == found.id:
        return old
    if old and not is_moved:
        remedy = f"move it: loopline dataset tag {name} {found.name} --move"
        raise Conflict(f"tag {name}", found=f"on {old.version}", expected=f"free, or on {found.name}", remedy=remedy)
    made = Tag(name=name, loop=house.settings.name, version=found.name, dataset=found.id, at=now)
    act = CommandId(f"{made.loop}/tag/{name}/{now.isoformat()}")
    moved = f" instead of {old.version}" if old else ""
    text = f"{name} stands for {found.name}{moved}"
    activity = Activity(
        id=act, loop=made.loop, kind="Tag", cycle=-1, started=now, ended=now, actor=actor,
        used=(entity_of(found),), generated=(entity_of(made),),
    )  # fmt: skip
    told = Event(
        id=f"{act}/event", type="dataset.tagged", source=f"/loops/{made.loop}", subject=act, time=now, text=text
    )
    house.ledger.commit(Entry(id=act, records=(made,), activity=activity, events=(told,)))
    return made
