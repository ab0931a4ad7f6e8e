"""The manifest in SQL: the segments of each loop's log, and who holds on to them."""

from collections.abc import Iterable, Sequence
from threading import Lock

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Select, delete, func, insert, select

from loopline.adapters.placing import check_follows, check_replacement, check_rows
from loopline.adapters.sql.codec import SCHEMA_VERSION
from loopline.adapters.sql.database import reading, writing
from loopline.adapters.sql.tables import PIN, SEGMENT
from loopline.errors import Conflict, InvalidRecord
from loopline.records.ids import LoopName
from loopline.records.segment import Pin, Segment


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
        check_rows(segment)
        with writing(self._engine) as connection:
            held = _last(connection, SEGMENT.c.loop == segment.loop, _lane_until(segment))
            if held and held.lane_first + held.rows > segment.lane_first:
                return held
            check_follows(segment, last=held)
            last = _last(connection, SEGMENT.c.loop == segment.loop)
            placed = msgspec.structs.replace(segment, first=last.first + last.rows if last else 1)
            _store(connection, (placed,), updated=_newest(connection, segment.loop) + 1)
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
            check_replacement(old, new=new, held=held, pins=_pins(connection, loop))
            updated = _newest(connection, loop) + 1
            connection.execute(delete(SEGMENT).where(of_loop, _at(old)))
            _store(connection, new, updated=updated)

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
    """The segments of one loop, decoded once."""

    def __init__(self, loop: LoopName) -> None:
        self.lock = Lock()
        self._loop, self._of_loop = loop, SEGMENT.c.loop == loop
        self._seen = 0
        self._held: dict[int, Segment] = {}
        self._ordered: tuple[Segment, ...] = ()

    def all(self, connection: Connection) -> tuple[Segment, ...]:
        newest = _newest(connection, self._loop)
        if newest > self._seen:
            self._refresh(connection)
            self._seen = newest
        return self._ordered

    def _refresh(self, connection: Connection) -> None:
        changed = _read(connection, _bodies(self._of_loop, SEGMENT.c.updated > self._seen))
        held = self._held | {one.first: one for one in changed}
        firsts = connection.execute(select(SEGMENT.c.first).where(self._of_loop).order_by(SEGMENT.c.first)).scalars()
        self._held = {first: held[first] for first in firsts}
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


def _newest(connection: Connection, loop: LoopName) -> int:
    """The number of the loop's last change; 0 before the first. Every change stores a segment."""
    return connection.execute(select(func.max(SEGMENT.c.updated)).where(SEGMENT.c.loop == loop)).scalar() or 0


def _store(connection: Connection, segments: Iterable[Segment], *, updated: int) -> None:
    for one in segments:
        row = {"loop": one.loop, "first": one.first, "rows": one.rows, "digest": one.digest, "lane": one.lane}
        row |= {"lane_first": one.lane_first, "tier": one.tier, "updated": updated}
        body = msgspec.json.encode(_Body(schema_version=SCHEMA_VERSION, segment=one))
        connection.execute(insert(SEGMENT).values(**row, body=body))


def _pins(connection: Connection, loop: LoopName) -> tuple[Pin, ...]:
    own = select(PIN.c.holder, PIN.c.after, PIN.c.until).where(PIN.c.loop == loop)
    rows = connection.execute(own.order_by(PIN.c.holder)).mappings()
    return tuple(Pin(**row) for row in rows)
