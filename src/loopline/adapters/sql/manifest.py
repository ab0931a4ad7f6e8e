"""The manifest in SQL: the segments of each loop's log, and who holds on to them."""

from collections.abc import Iterable, Sequence
from threading import Lock

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Select, delete, insert, select, update

from loopline.adapters.sql.codec import SCHEMA_VERSION
from loopline.adapters.sql.database import insert_new, reading, writing
from loopline.adapters.sql.tables import PIN, SEGMENT
from loopline.errors import Conflict, InvalidRecord
from loopline.records.ids import LoopName
from loopline.records.segment import Pin, Segment

_REVISION = ""
"""Holder of the row in ``pin`` whose ``after`` counts the changes of the manifest: one look tells of any."""


_Stretch = tuple[str, str, int, int, int]
"""Loop, lane, how far log positions are ahead of the lane's, first and last position."""


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as it is stored."""

    schema_version: int
    segment: Segment


_BODIES = msgspec.json.Decoder(_Body)


class SqlManifest:
    """Keeps segments and pins in the tables of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rolls: dict[LoopName, _Roll] = {}

    def segments(self, loop: LoopName) -> tuple[Segment, ...]:
        """Every segment by first position; while nothing changes, the same tuple, for one look at an index."""
        roll = self._rolls.setdefault(loop, _Roll(loop))
        with roll.lock, reading(self._engine) as connection:
            return roll.all(connection)

    def add(self, segment: Segment) -> Segment:
        """The segment with its place, after the last one of the loop; one whose first row is held comes as it is held.

        Raises Conflict when it does not follow its lane's last segment, InvalidRecord for one without rows.
        """
        if segment.rows < 1:
            thing = f"segment of lane {segment.lane!r}"
            raise InvalidRecord(thing, found=f"{segment.rows} rows", expected="at least 1")
        with writing(self._engine) as connection:
            held = _last(connection, SEGMENT.c.loop == segment.loop, _lane_until(segment))
            lane_end = held.lane_first + held.rows if held else 1
            if held and lane_end > segment.lane_first:
                return held
            if lane_end != segment.lane_first:
                found = f"it begins at row {segment.lane_first}"
                expected = f"row {lane_end}, after what is held of the lane"
                raise Conflict(f"segment of lane {segment.lane!r}", found=found, expected=expected)
            last = _last(connection, SEGMENT.c.loop == segment.loop)
            placed = msgspec.structs.replace(segment, first=last.first + last.rows if last else 1)
            _store(connection, (placed,))
            _count_change(connection, segment.loop)
        return placed

    def replace(self, old: Sequence[Segment], *, new: Sequence[Segment]) -> None:
        """Put ``new`` in the places of ``old``. Idempotent; raises Conflict as the port says."""
        if not old and not new:
            return
        loop = (*old, *new)[0].loop
        with writing(self._engine) as connection:
            of_loop = SEGMENT.c.loop == loop
            held = {one.first: one for one in _read(connection, _bodies(of_loop, _at(old) | _at(new)))}
            if new and all(held.get(one.first) == one for one in new):
                return
            _check_same_places(old, new=new)
            _check_held(old, held=held)
            _check_unpinned(old, new=new, pins=_pins(connection, loop))
            connection.execute(delete(SEGMENT).where(of_loop, _at(old)))
            _store(connection, new)
            _count_change(connection, loop)

    def pin(self, pin: Pin, *, loop: LoopName) -> None:
        """Hold a stretch; the same holder again replaces its claim, with ``until`` <= ``after`` it lets go."""
        if not pin.holder:
            raise InvalidRecord("pin", found="no holder", expected="the entity that needs it")
        with writing(self._engine) as connection:
            connection.execute(delete(PIN).where(PIN.c.loop == loop, PIN.c.holder == pin.holder))
            if pin.until > pin.after:
                connection.execute(insert(PIN).values(loop=loop, **msgspec.structs.asdict(pin)))

    def pins(self, loop: LoopName) -> tuple[Pin, ...]:
        """Every claim, by holder."""
        with reading(self._engine) as connection:
            return _pins(connection, loop)


class _Roll:
    """The segments of one loop, decoded once: what a digest names never changes, nor does its body in one tier."""

    def __init__(self, loop: LoopName) -> None:
        self.lock = Lock()
        self._of_loop, self._is_revision = SEGMENT.c.loop == loop, (PIN.c.loop == loop) & (PIN.c.holder == _REVISION)
        self._seen = 0
        self._held: dict[tuple[int, int, str, str], Segment] = {}
        self._ordered: tuple[Segment, ...] = ()

    def all(self, connection: Connection) -> tuple[Segment, ...]:
        revision = connection.execute(select(PIN.c.after).where(self._is_revision)).scalar() or 0
        if revision != self._seen:
            self._refresh(connection)
            self._seen = revision
        return self._ordered

    def _refresh(self, connection: Connection) -> None:
        outline = select(SEGMENT.c.first, SEGMENT.c.rows, SEGMENT.c.digest, SEGMENT.c.tier)
        rows = connection.execute(outline.where(self._of_loop).order_by(SEGMENT.c.first)).all()
        places = [(row.first, row.rows, row.digest, row.tier) for row in rows]
        new = [place[0] for place in places if place not in self._held]
        for start in range(0, len(new), 500):  # a statement takes only so many values
            chosen = SEGMENT.c.first.in_(new[start : start + 500])
            for one in _read(connection, _bodies(self._of_loop, chosen)):
                self._held[one.first, one.rows, one.digest, one.tier] = one
        self._held = {place: self._held[place] for place in places}
        self._ordered = tuple(self._held.values())


def _bodies(*where: ColumnElement[bool]) -> Select[bytes]:
    return select(SEGMENT.c.body).where(*where).order_by(SEGMENT.c.first)


def _read(connection: Connection, bodies: Select[bytes]) -> list[Segment]:
    """Decoded. Raises Conflict for one that a newer Loopline wrote."""
    stored = [_BODIES.decode(body) for body in connection.execute(bodies).scalars()]
    for one in stored:
        if one.schema_version > SCHEMA_VERSION:
            found, expected = f"schema version {one.schema_version}", f"at most {SCHEMA_VERSION}"
            remedy = "a newer Loopline wrote it: update this one"
            raise Conflict(f"segment {one.segment.digest}", found=found, expected=expected, remedy=remedy)
    return [one.segment for one in stored]


def _last(connection: Connection, *where: ColumnElement[bool]) -> Segment | None:
    """The last of these in the log: of one lane's segments, also the last in the lane."""
    found = _read(connection, select(SEGMENT.c.body).where(*where).order_by(SEGMENT.c.first.desc()).limit(1))
    return found[0] if found else None


def _lane_until(segment: Segment) -> ColumnElement[bool]:
    """Of its lane, not behind its first row."""
    return (SEGMENT.c.lane == segment.lane) & (SEGMENT.c.lane_first <= segment.lane_first)


def _at(segments: Iterable[Segment]) -> ColumnElement[bool]:
    return SEGMENT.c.first.in_([one.first for one in segments])


def _store(connection: Connection, segments: Iterable[Segment]) -> None:
    for one in segments:
        row = {"loop": one.loop, "first": one.first, "rows": one.rows, "digest": one.digest, "lane": one.lane}
        row |= {"lane_first": one.lane_first, "tier": one.tier}
        body = msgspec.json.encode(_Body(schema_version=SCHEMA_VERSION, segment=one))
        connection.execute(insert(SEGMENT).values(**row, body=body))


def _count_change(connection: Connection, loop: LoopName) -> None:
    first = {"loop": loop, "holder": _REVISION, "after": 1, "until": 0}
    if not insert_new(connection, PIN, first):
        own = PIN.c.loop == loop, PIN.c.holder == _REVISION
        connection.execute(update(PIN).where(*own).values(after=PIN.c.after + 1))


def _pins(connection: Connection, loop: LoopName) -> tuple[Pin, ...]:
    own = select(PIN.c.holder, PIN.c.after, PIN.c.until).where(PIN.c.loop == loop, PIN.c.holder != _REVISION)
    rows = connection.execute(own.order_by(PIN.c.holder)).mappings()
    return tuple(Pin(**row) for row in rows)


def _stretches(segments: Iterable[Segment]) -> list[_Stretch]:
    """The runs of rows that follow each other both in the log and in their lane."""
    runs: list[_Stretch] = []
    for one in sorted(segments, key=lambda one: (one.loop, one.first)):
        run = (one.loop, one.lane, one.first - one.lane_first)
        joined = runs and runs[-1][:3] == run and runs[-1][4] == one.first - 1
        first = runs.pop()[3] if joined else one.first
        runs.append((*run, first, one.first + one.rows - 1))
    return runs


def _check_same_places(old: Iterable[Segment], *, new: Iterable[Segment]) -> None:
    before, after = _stretches(old), _stretches(new)
    if before != after:
        raise Conflict("segments to replace", found=f"new ones at {_said(after)}", expected=_said(before))


def _said(stretches: Iterable[_Stretch]) -> str:
    """What a person reads of them.

    >>> _said([("sentiment", "main", 20, 21, 30)])
    'sentiment 21-30 (lane main 1-10)'
    """
    shown = (f"{loop} {a}-{b} (lane {lane} {a - ahead}-{b - ahead})" for loop, lane, ahead, a, b in stretches)
    return ", ".join(shown) or "nothing"


def _check_held(old: Iterable[Segment], *, held: dict[int, Segment]) -> None:
    for one in old:
        if held.get(one.first) != one:
            remedy = "read the manifest again"
            raise Conflict(f"segment {one.digest}", found="not held as given", expected="one held", remedy=remedy)


def _check_unpinned(old: Iterable[Segment], *, new: Iterable[Segment], pins: Iterable[Pin]) -> None:
    """A row that is to be deleted and is not yet, under a claim, is a Conflict."""
    kept = [one for one in old if one.tier != "deleted"]
    for gone in (one for one in new if one.tier == "deleted"):
        for one, pin in ((one, pin) for one in kept for pin in pins):
            first, last = max(one.first, gone.first), min(one.first + one.rows, gone.first + gone.rows) - 1
            if first <= last and first <= pin.until and last > pin.after:
                found, remedy = f"pinned by {pin.holder}", "let it go first"
                raise Conflict(f"segment {one.digest}", found=found, expected="no claim on it", remedy=remedy)
