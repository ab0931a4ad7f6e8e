"""Which role each sample needs that an entry speaks of: what every ledger registers, or refuses."""

from collections.abc import Iterable, Iterator

import msgspec

from loopline.errors import Conflict
from loopline.records.ids import LoopName
from loopline.records.lineage import Entry
from loopline.records.prediction import Role
from loopline.records.selection import Selection

SHOWN = 3
"""Samples that an error names."""
DIGITS = 12
"""Of a digest, as people read it."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One part of an entry needs all these samples in one role."""

    thing: str
    """Which part, in words: ``selection cycle-3``."""
    loop: LoopName
    role: Role
    contents: tuple[str, ...]
    """Content digests, each once."""


def claims_of(entry: Entry) -> tuple[Claim, ...]:
    """The claims of an entry, in the order in which they are registered; what judges comes first.

    >>> from loopline.testing.factories import entry, selection
    >>> [(claim.thing, claim.role, len(claim.contents)) for claim in claims_of(entry("e1", selection()))]
    [('selection cycle-1', 'loop', 1)]
    """
    return tuple(claim for claim in _claims(entry) if claim.contents)


def clash(claim: Claim, found: Iterable[str]) -> Conflict:
    """What to say when some samples of a claim have the other role."""
    digests = sorted(found)
    samples = f"{len(digests):,} {'sample' if len(digests) == 1 else 'samples'}"
    shown = ", ".join([*(digest[:DIGITS] for digest in digests[:SHOWN]), *["..."] * (len(digests) > SHOWN)])
    was, expected = "selected or learned before", "samples that were never selected"
    if claim.role == "loop":
        was, expected = "sealed in the reserve", "samples of the loop"
    remedy = "nothing was stored: what judges a model is never learned"
    return Conflict(claim.thing, found=f"{samples} {was} ({shown})", expected=expected, remedy=remedy)


def _claims(entry: Entry) -> Iterator[Claim]:
    if entry.seal:
        yield _claim("anchor", entry.seal.loop, "reserve", entry.seal.contents)
    sealed: dict[tuple[LoopName, int], list[str]] = {}
    for task in entry.tasks:
        if task.stratum == "reserve":
            sealed.setdefault((task.loop, task.cycle), []).append(task.content)
    for (loop, cycle), contents in sealed.items():
        yield _claim(f"reserve tasks of cycle {cycle}", loop, "reserve", contents)
    for record in entry.records:
        if isinstance(record, Selection):
            chosen = (one.content for one in record.candidates)
            yield _claim(f"selection {record.id}", LoopName(record.loop), "loop", chosen)
    if entry.members:
        thing = f"membership of version {entry.members.version}"
        yield _claim(thing, entry.members.loop, "loop", entry.members.added)


def _claim(thing: str, loop: LoopName, role: Role, contents: Iterable[str]) -> Claim:
    return Claim(thing=thing, loop=loop, role=role, contents=tuple(dict.fromkeys(contents)))
