"""The ledger in SQL: one command, one transaction."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, Engine, Table, func, insert, select, update

from loopline.adapters.sql.codec import SCHEMA_VERSION, decode, encode, kind_of, microseconds, moment
from loopline.adapters.sql.database import insert_new, reading, writing
from loopline.adapters.sql.publishing import close_batches, raise_wanted, store_tasks
from loopline.adapters.sql.roles import store_roles
from loopline.adapters.sql.shelf import Shelf
from loopline.adapters.sql.tables import ACTIVITY, ENTRY, GENERATED, OUTBOX, RECORD, USED
from loopline.errors import Conflict, NotFound
from loopline.ports.ledger import R
from loopline.records.cycle import Cycle
from loopline.records.ids import CommandId, LoopName
from loopline.records.keys import KINDS, key_of_record
from loopline.records.lineage import Activity, Entry, Event, Stored
from loopline.records.task import Standing


class SqlLedger:
    """Keeps the records of a loop in the tables of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shelves: dict[tuple[str, LoopName], Shelf] = {}

    def commit(self, entry: Entry) -> bool:
        """Store the entry whole and return True; an entry id seen before changes nothing and returns False."""
        with writing(self._engine) as connection:
            sequence = connection.execute(select(func.coalesce(func.max(ENTRY.c.sequence), 0) + 1)).scalar_one()
            if not insert_new(connection, ENTRY, {"id": entry.id, "sequence": sequence}):
                return False
            for position, record in enumerate(entry.records):
                _store_record(connection, record, sequence=sequence, position=position)
            store_tasks(connection, entry.tasks)
            raise_wanted(connection, entry.raises)
            close_batches(connection, entry)
            store_roles(connection, entry)
            if entry.activity:
                _store_activity(connection, entry.activity, sequence=sequence)
            for position, event in enumerate(entry.events):
                _store_event(connection, event, sequence=sequence, position=position)
        return True

    def get(self, kind: type[R], key: str, *, loop: LoopName) -> R:
        """The loop's record of this kind and key. Raises NotFound, naming the keys there are."""
        of_kind = (RECORD.c.loop == loop) & (RECORD.c.kind == kind_of(kind))
        with reading(self._engine) as connection:
            found = select(RECORD.c.body, RECORD.c.schema_version).where(of_kind, RECORD.c.key == key)
            row = connection.execute(found).one_or_none()
            if row is None:
                known = connection.execute(select(RECORD.c.key).where(of_kind).order_by(RECORD.c.key).limit(13))
                raise NotFound(kind_of(kind), key, known=tuple(known.scalars()))
        return decode(kind, row.body, version=row.schema_version, key=key)

    def all(self, kind: type[R], loop: LoopName) -> tuple[R, ...]:
        """Every record of this kind in the loop, in the order of their first commits."""
        place = kind_of(kind), loop
        shelf = self._shelves.get(place) or self._shelves.setdefault(place, Shelf(kind, loop))
        with reading(self._engine) as connection:
            return shelf.all(connection)

    def activities(self, loop: LoopName) -> tuple[Activity, ...]:
        """The run graph of the loop, oldest first."""
        with reading(self._engine) as connection:
            found = select(ACTIVITY).where(ACTIVITY.c.loop == loop).order_by(ACTIVITY.c.sequence)
            rows = connection.execute(found).all()
            used, generated = _edges(connection, USED, loop=loop), _edges(connection, GENERATED, loop=loop)
        return tuple(
            Activity(
                id=CommandId(row.id),
                loop=LoopName(row.loop),
                kind=row.kind,
                cycle=row.cycle,
                started=moment(row.started_us),
                ended=moment(row.ended_us),
                actor=row.actor,
                used=tuple(used.get(row.id, ())),
                generated=tuple(generated.get(row.id, ())),
            )
            for row in rows
        )

    def events(self, loop: LoopName, *, newest: int) -> tuple[Event, ...]:
        """The latest ``newest`` events, newest first."""
        found = (
            select(OUTBOX.c.body)
            .where(OUTBOX.c.source == f"/loops/{loop}")
            .order_by(OUTBOX.c.sequence.desc(), OUTBOX.c.position.desc())
            .limit(newest)
        )
        with reading(self._engine) as connection:
            return tuple(msgspec.json.decode(body, type=Event) for body in connection.execute(found).scalars())


def _store_record(connection: Connection, record: Stored, *, sequence: int, position: int) -> None:
    loop, kind, key = record.loop, KINDS[type(record)], key_of_record(record)
    content = {
        "cycle": _cycle_of(record),
        "state": _state_of(record),
        "schema_version": SCHEMA_VERSION,
        "body": encode(record),
        "updated": sequence,
    }
    identity = {"loop": loop, "kind": kind, "key": key, "sequence": sequence, "position": position}
    if not insert_new(connection, RECORD, identity | content):
        where = (RECORD.c.loop == loop, RECORD.c.kind == kind, RECORD.c.key == key)
        connection.execute(update(RECORD).where(*where).values(**content))


def _cycle_of(record: Stored) -> int | None:
    return record.number if isinstance(record, Cycle) else getattr(record, "cycle", None)


def _state_of(record: Stored) -> str:
    match record:
        case Cycle():
            return record.phase
        case Standing():
            return record.state
        case _:
            return ""


def _store_activity(connection: Connection, activity: Activity, *, sequence: int) -> None:
    row = {
        "id": activity.id,
        "loop": activity.loop,
        "kind": activity.kind,
        "cycle": activity.cycle,
        "started_us": microseconds(activity.started),
        "ended_us": microseconds(activity.ended),
        "actor": activity.actor,
        "sequence": sequence,
    }
    if not insert_new(connection, ACTIVITY, row):
        raise Conflict(f"activity {activity.id}", found="one under this id", expected="a new id")
    for table, entities in ((USED, activity.used), (GENERATED, activity.generated)):
        _store_edges(connection, table, activity=activity.id, entities=entities)


def _store_edges(connection: Connection, table: Table, *, activity: str, entities: Iterable[str]) -> None:
    rows = [{"activity": activity, "position": i, "entity": entity} for i, entity in enumerate(entities)]
    if rows:
        connection.execute(insert(table), rows)


def _store_event(connection: Connection, event: Event, *, sequence: int, position: int) -> None:
    row = {"source": event.source, "id": event.id, "sequence": sequence, "position": position}
    insert_new(connection, OUTBOX, row | {"body": msgspec.json.encode(event)})


def _edges(connection: Connection, table: Table, *, loop: LoopName) -> dict[str, list[str]]:
    found = (
        select(table.c.activity, table.c.entity)
        .join(ACTIVITY, ACTIVITY.c.id == table.c.activity)
        .where(ACTIVITY.c.loop == loop)
        .order_by(table.c.activity, table.c.position)
    )
    edges: dict[str, list[str]] = {}
    for activity, entity in connection.execute(found):
        edges.setdefault(activity, []).append(entity)
    return edges
