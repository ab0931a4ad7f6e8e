"""Whether a stored selection comes out of its window again, byte for byte; and why, where it does not."""

import msgspec

from loopline.apps.http.archive import Archive
from loopline.apps.http.views import Console, House
from loopline.apps.turns import TURN
from loopline.errors import InvalidRecord, NotFound
from loopline.records.selection import Selection

SHOWN = 20
"""Ids named on either side of a difference."""
MOST_THREADS, MOST_SHARDS = 64, 4_096


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a stored selection came out again."""

    cycle: int
    is_same: bool
    """Byte for byte."""
    samples: int
    missing: tuple[str, ...]
    """Ids that the stored selection holds and the replay does not; the first 20."""
    added: tuple[str, ...]
    sentence: str


def replay(house: House, console: Console, cycle: int, *, threads: int = 0, shards: int = 0) -> Replayed:
    """Whether a stored selection comes out of its window again; writes nothing. One at a time in this process.

    Raises NotFound for a cycle without a selection, InvalidRecord for wild numbers, Busy while too many wait.
    """
    stored_of(house, cycle)
    for name, found, most in (("threads", threads, MOST_THREADS), ("shards", shards, MOST_SHARDS)):
        if not 0 <= found <= most:
            raise InvalidRecord(name, found=f"{found:,}", expected=f"1 to {most:,}, or 0 for as a cycle reads it")
    with TURN.held():
        return replayed(*console.replay(cycle, threads=threads, shards=shards))


def replayed(stored: Selection, again: Selection) -> Replayed:
    """A stored selection, held against what its pinned window gives again."""
    before, now = ([str(one.prediction) for one in s.candidates] for s in (stored, again))
    missing, added = tuple(sorted({*before} - {*now})), tuple(sorted({*now} - {*before}))
    return Replayed(
        cycle=stored.cycle,
        is_same=encoded(stored) == encoded(again),
        samples=len(before),
        missing=missing[:SHOWN],
        added=added[:SHOWN],
        sentence=_verdict(stored, again, missing=len(missing), added=len(added)),
    )


def stored_of(house: House, cycle: int) -> Selection:
    """The selection of this cycle. Raises NotFound, which lists the cycles that have one, latest first."""
    archive = Archive(house)
    if found := archive.selection_of(cycle):
        return found
    known = tuple(f"cycle-{selection.cycle}" for selection in reversed(archive.selections))
    raise NotFound("selection of", f"cycle-{cycle}", known=known)


def lost(stored: Selection, again: Selection) -> str:
    """What of the window the log no longer gives, in words; empty when it gives all that it gave."""
    gone = stored.pool_rows - again.pool_rows
    if gone <= 0:
        return ""
    left = f"{again.pool_rows:,}" if again.pool_rows else "none"
    return (
        f"of the {stored.pool_rows:,} rows that cycle-{stored.cycle} chose from, the log gives {left} now; rows are "
        "deleted at the age that [capture] retain names, and a damaged segment gives none"
    )


def _verdict(stored: Selection, again: Selection, *, missing: int, added: int) -> str:
    """Whether a selection came out again and, where it did not, why."""
    name, samples = f"cycle-{stored.cycle}", len(stored.candidates)
    if encoded(stored) == encoded(again):
        return f"{name} gives the same {samples:,} samples again, byte for byte"
    if stored.candidates and not stored.budget:
        return f"{name} cannot be replayed: it was chosen by an earlier Loopline, which did not keep its design"
    if gone := lost(stored, again):
        return f"{name} does not come out again: {gone}"
    if missing or added:
        return f"{name} does not come out again: {missing:,} samples are missing and {added:,} are new"
    return f"{name} gives the same {samples:,} samples, but not the same record: {_differing(stored, again)}"


def encoded(selection: Selection) -> bytes:
    """The bytes by which two selections are compared."""
    return msgspec.json.encode(selection, order="deterministic")


def _differing(one: Selection, other: Selection) -> str:
    """The fields in which two records differ."""
    names = [name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)]
    return "they differ in " + ", ".join(names)
