"""The roles of samples in memory: what a ledger registers, and the book that reads it."""

from typing import NamedTuple

from loopline.adapters.claims import claims_of, clash
from loopline.adapters.memory.state import MemoryState
from loopline.errors import Conflict
from loopline.records.ids import LoopName
from loopline.records.lineage import Entry
from loopline.records.prediction import Role
from loopline.records.reserve import Membership

Place = tuple[LoopName, str]
"""A loop, and the digest of a content in it."""
Interval = tuple[int, int | None]
"""Versions from the first up to, and without, the second; None: no end yet."""


class Claimed(NamedTuple):
    """What an entry changes about roles and members."""

    roles: dict[Place, Role]
    members: dict[Place, tuple[Interval, ...]]


def claimed(state: MemoryState, entry: Entry) -> Claimed:
    """The new roles, and the changed memberships. Raises Conflict; nothing is changed here."""
    fresh: dict[Place, Role] = {}
    for claim in claims_of(entry):
        places = [(claim.loop, content) for content in claim.contents]
        known = {place: fresh.get(place) or state.roles.get(place, claim.role) for place in places}
        if others := [content for (_, content), role in known.items() if role != claim.role]:
            raise clash(claim, others)
        fresh |= known
    return Claimed(fresh, _moved(state, entry.members) if entry.members else {})


def _moved(state: MemoryState, members: Membership) -> dict[Place, tuple[Interval, ...]]:
    own = {place: spans for place, spans in state.members.items() if place[0] == members.loop}
    newest = max((version for spans in own.values() for span in spans for version in span if version), default=-1)
    if newest >= members.version:
        found, expected = f"version {newest} is stored", "a later one"
        raise Conflict(f"membership of version {members.version}", found=found, expected=expected)
    moved: dict[Place, tuple[Interval, ...]] = {}
    for content in members.added:
        spans = own.get((members.loop, content), ())
        if not spans or spans[-1][1] is not None:
            moved[members.loop, content] = (*spans, (members.version, None))
    for content in members.removed:
        spans = own.get((members.loop, content), ())
        if spans and spans[-1][1] is None:
            moved[members.loop, content] = (*spans[:-1], (spans[-1][0], members.version))
    return moved


class MemoryRoles:
    """Reads the roles in a ``MemoryState``."""

    def __init__(self, state: MemoryState) -> None:
        self.state = state

    def reserved(self, loop: LoopName) -> frozenset[str]:
        """Content digests that judge."""
        return self._of(loop, "reserve")

    def selected(self, loop: LoopName) -> frozenset[str]:
        """Content digests that were selected or learned."""
        return self._of(loop, "loop")

    def members(self, loop: LoopName, *, version: int) -> frozenset[str]:
        """Content digests of the samples of the log in this version."""
        with self.state.lock:
            own = [(content, spans) for (name, content), spans in self.state.members.items() if name == loop]
        return frozenset(content for content, spans in own if any(_holds(span, version) for span in spans))

    def _of(self, loop: LoopName, role: Role) -> frozenset[str]:
        with self.state.lock:
            return frozenset(c for (name, c), found in self.state.roles.items() if (name, found) == (loop, role))


def _holds(span: Interval, version: int) -> bool:
    since, until = span
    return since <= version and (until is None or version < until)
