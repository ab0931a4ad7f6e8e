"""Walks the run graph: why is this so, and does every thing have a maker?"""

from collections.abc import Container, Iterable
from typing import NamedTuple

from loopline.records.lineage import Activity

ROOTS = ("cadence", "cycle", "signal", "measurement", "standing", "annotator")
"""Kinds whose makers are the world and the clock: the walk ends there."""


class Step(NamedTuple):
    """One entity, the act that made it, and what that act used."""

    entity: str
    """``model:v2``."""
    act: str
    """The command that made it; empty for what came from outside."""
    kind: str
    at: str
    """ISO time, UTC, when the act ended; empty for what came from outside."""
    sources: tuple["Step", ...]


DEPTH = 120
"""Generations that one answer walks back; ask again from the last one for what lies behind."""


def why(entity: str, activities: Iterable[Activity]) -> Step:
    """The tree behind an entity: its maker, what the maker used, and so on back to the outside world.

    An entity that is reached twice is spelled out once, and ``DEPTH`` generations at most. Unknown entities have no
    maker and no sources.
    """
    makers = makers_of(activities)
    seen: set[str] = set()

    def walk(name: str, depth: int) -> Step:
        maker = makers.get(name)
        if maker is None or name in seen or depth == 0:
            return Step(name, maker.id if maker else "", maker.kind if maker else "", "", ())
        seen.add(name)
        sources = tuple(walk(source, depth - 1) for source in maker.used if source != name)
        return Step(name, maker.id, maker.kind, maker.ended.isoformat(), sources)

    return walk(entity, DEPTH)


NAMED = ("cycle", "model", "dataset", "anchor", "run", "signal", "standing")
"""Kinds that a person may name by the id alone, the likeliest first; others need their kind: ``split:5``."""


def named(entity: str, made: Container[str]) -> str:
    """The entity that a person means by ``v2``, ``cycle-4`` or ``kind:id``; empty when nobody made such a thing.

    >>> named("cycle-4", {"labels:cycle-4", "cycle:cycle-4"}), named("5", {"split:5"})
    ('cycle:cycle-4', '')
    """
    return next((name for name in (entity, *(f"{kind}:{entity}" for kind in NAMED)) if name in made), "")


def makers_of(activities: Iterable[Activity]) -> dict[str, Activity]:
    """Entity -> the first act that generated it; later ones only moved its state on."""
    makers: dict[str, Activity] = {}
    for activity in activities:
        for entity in activity.generated:
            makers.setdefault(entity, activity)
    return makers


def entities(step: Step) -> frozenset[str]:
    """Every entity in the tree."""
    return frozenset({step.entity}).union(*(entities(source) for source in step.sources))


def orphans(stored: Iterable[str], activities: Iterable[Activity]) -> tuple[str, ...]:
    """Stored entities without a maker, and used ones that nobody made: empty when the lineage is complete."""
    acts = tuple(activities)
    made = makers_of(acts)
    used = {source for activity in acts for source in activity.used}
    lost = {entity for entity in used.union(stored) if entity not in made and entity.split(":", 1)[0] not in ROOTS}
    return tuple(sorted(lost))
