"""One pass over the pool of a log: cut into pieces, looked at by a fleet, freed of what the reserve shares."""

import math
from collections.abc import Iterator, Sequence
from copy import copy
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loopline.adapters.spool import views
from loopline.adapters.spool.catalogue import last
from loopline.adapters.spool.reading import Reader
from loopline.adapters.spool.segments import SegmentFiles
from loopline.adapters.spool.sketchbook import SketchBook, read
from loopline.adapters.spool.sketches import (
    POSITION,
    Answer,
    Found,
    Keys,
    Part,
    Piece,
    columns_of,
    content_keys,
    found_in,
    looked_at,
)
from loopline.errors import Unavailable
from loopline.ports.columns import Sift, Sketch
from loopline.ports.fleet import Fleet
from loopline.ports.object_store import ObjectStore
from loopline.records.segment import Segment

FLOOR, ROOM, SLACK = 64, 4.0, 3.0
"""A piece keeps ``FLOOR + ROOM`` times its share of the rows that are wanted. What was kept when ``SLACK`` times the
share would have done is used again: shares move a little whenever the log grows."""
FEW = 4
"""While fewer rows than this many times those wanted are the selecting version's own, others count for a share too."""


class Alone:
    """A fleet of one: the thread that asks."""

    map = staticmethod(map)


class Place(NamedTuple):
    """Where what was found in a piece lies: in memory, or in a file."""

    piece: Piece | None
    found: Found | None
    path: Path | None


class Surveyor:
    """Makes passes over the log that a reader reads."""

    def __init__(
        self, reader: Reader, files: SegmentFiles, book: SketchBook, *, objects: ObjectStore | None, fleet: Fleet | None
    ) -> None:
        self._reader, self._files, self._book = reader, files, book
        self._objects, self.fleet = objects, fleet or Alone()
        self.shards = 0
        """Pieces that the sealed rows are cut into, about; 0: one a segment. Nothing is kept of pieces that are cut."""

    def by(self, fleet: Fleet, *, shards: int) -> "Surveyor":
        """The same surveyor with another fleet, which gets about so many pieces; 0: one a segment."""
        other = copy(self)
        other.fleet, other.shards = fleet, shards
        return other

    def sketches(self, sift: Sift, *, after: int, until: int) -> Iterator[Sketch]:
        """A sketch a piece of (after, until], none with a content that a reserve row of the window shares."""
        try:
            yield from self._passed(sift, after=max(after, 0), until=until)
        finally:  # also of a pass that found the disk full: what others left may be what fills it
            self._book.tidy([segment.digest for segment in self._reader.segments().held])

    def _passed(self, sift: Sift, *, after: int, until: int) -> Iterator[Sketch]:
        with self._book.passing() as aside:
            places: list[Place] = []
            reserve = [np.empty(0, np.uint64)]
            for place, found in self._places(sift, after=after, until=until, aside=aside):
                places.append(place)
                reserve.append(found.reserve.copy())
            held_back = np.concatenate(reserve)
            held_back.sort(kind="stable")  # parts in order: a merge
            for number, place in enumerate(places):
                found = self._at(place, sift)
                freed = Found(tuple(without(part, held_back) for part in found.parts), found.reserve, found.models)
                if place.path and any(new is not old for new, old in zip(freed.parts, found.parts, strict=True)):
                    freed = self._book.spill(freed, place=aside / f"freed-{number}")
                yield from (_sketch(part, sift) for part in freed.parts)

    def _places(self, sift: Sift, *, after: int, until: int, aside: Path) -> Iterator[tuple[Place, Found]]:
        """Everything that was found, piece by piece, whatever is sealed and packed meanwhile."""
        cursor = after
        while pieces := self._pieces(sift, after=cursor, until=until):
            for piece, place, found in self._sealed(pieces, sift, aside=aside):
                if place is None:  # packed anew: others hold its rows now
                    self._reader.miss(piece.segment)
                    break
                cursor = piece.span[-1]
                yield place, found
        columns = tuple(dict.fromkeys((*columns_of(sift), *views.POOLED)))
        for position, table in self._reader.rows(cursor, until, columns=columns, keep=views.every):
            most = _room(sift.most, part=len(position) / max(1, until - after))
            found = found_in(position, table, sift=sift, most=most)
            yield Place(None, found, None), found

    def _sealed(
        self, pieces: Sequence[Piece], sift: Sift, *, aside: Path
    ) -> Iterator[tuple[Piece, Place | None, Found]]:
        """What was found in each piece, now or before; no place for one whose segment is not there."""
        kept = [self._book.find(piece, sift) for piece in pieces]
        answers = self._answers([piece for piece, known in zip(pieces, kept, strict=True) if not known], sift)
        for piece, known in zip(pieces, kept, strict=True):
            if known:
                yield piece, Place(piece, None, known[0]), known[1]
                continue
            answer = next(answers)
            self._files.learn(answer.damage)
            if answer.is_missing:
                yield piece, None, answer.found
            elif answer.damage:
                yield piece, Place(None, answer.found, None), answer.found
            else:
                path = self._book.keep(piece, sift, answer.found, aside=aside)
                yield piece, Place(piece, None, path), answer.found

    def _answers(self, pieces: Sequence[Piece], sift: Sift) -> Iterator[Answer]:
        if self._objects is None:
            return iter(())
        return self.fleet.map(partial(looked_at, sift=sift, objects=self._objects), pieces)

    def _at(self, place: Place, sift: Sift) -> Found:
        found = place.found or (read(place.path) if place.path else None)
        if found is None and place.piece and self._objects:  # another process tidied up
            answer = looked_at(place.piece, sift=sift, objects=self._objects)
            if answer.is_missing or answer.damage:
                reason = f"what a pass found in segment {place.piece.segment.digest[:12]} is gone, and so are its rows"
                raise Unavailable("prediction log", reason=reason, remedy="begin the pass again")
            found = answer.found
        return found or Found((), np.empty(0, np.uint64), ())

    def _pieces(self, sift: Sift, *, after: int, until: int) -> list[Piece]:
        """The sealed part of (after, until] as it is known at this moment, by position."""
        segments = self._reader.segments()
        damaged = self._files.damage()
        spans = [
            (segment, range(max(segment.first, after + 1), min(last(segment), until) + 1))
            for segment in segments.held
            if segment.digest not in damaged
        ]
        spans = [(segment, span) for segment, span in spans if len(span)]
        parts = _parts(spans, sift, others=max(0, until - max(segments.end, after)))
        cuts = -(-self.shards // len(spans)) if self.shards and spans else 1
        pieces = []
        for (segment, span), part in zip(spans, parts, strict=True):
            least, most = (_room(sift.most, part=part / cuts, room=room) for room in (SLACK, ROOM))
            bare = msgspec.structs.replace(segment, ids=b"")  # megabytes that the work has no use for
            pieces += [Piece(bare, each, least, most) for each in _cut(span, cuts)]
        return pieces


def without(part: Part, keys: Keys) -> Part:
    """The part without the samples of these content keys (ascending); the same one when it has none of them."""
    is_free = ~_among(part.content, keys)
    if is_free.all():
        return part
    is_row = ~_among(content_keys(part.rows["content"]), keys)
    return part._replace(
        content=part.content[is_free],
        copies=part.copies[is_free],
        position=part.position[is_free],
        urgency=part.urgency[is_row],
        rows=part.rows.filter(pa.array(is_row)),
    )


def _among(keys: Keys, known: Keys) -> NDArray[np.bool_]:
    """Which of the keys are among the known ones, which ascend."""
    if not len(known):
        return np.zeros(len(keys), np.bool_)
    return np.asarray(known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys)


def _sketch(part: Part, sift: Sift) -> Sketch:
    rows = views.pool([(part.rows[POSITION].to_numpy(), part.rows.select(views.POOLED))])
    is_current = np.asarray(rows.model == sift.model, np.bool_)
    return Sketch(part.content, part.copies, part.position, rows, is_current, part.urgency, part.first)


def _parts(spans: Sequence[tuple[Segment, range]], sift: Sift, *, others: int) -> list[float]:
    """The share of the best rows that each is likely to hold: the selecting version's own come first.

    ``others``: rows of the window that are not sealed, taken to be its own.
    """
    rows = np.array([len(span) for _, span in spans], np.float64)
    own = np.array([segment.counts.get(sift.model, 0) * len(span) / segment.rows for segment, span in spans])
    shares = own / max(own.sum() + others, 1.0)
    if own.sum() + others < FEW * sift.most:
        shares = np.maximum(shares, rows / max(rows.sum() + others, 1.0))
    return [float(share) for share in shares]


def _room(most: int, *, part: float, room: float = ROOM) -> int:
    """Rows that a piece keeps of so many wanted, when so large a part of the best is likely to be there."""
    return min(most, FLOOR + math.ceil(room * most * part))


def _cut(span: range, cuts: int) -> list[range]:
    """The span in so many pieces of about one length, none empty."""
    bounds = [span.start + len(span) * number // cuts for number in range(cuts + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds) if start < stop]
