"""Records that were read once: they are frozen, so only those that changed since are read again."""

from threading import Lock
from typing import Any

from sqlalchemy import Connection, func, select

from loopline.adapters.sql.codec import decode, kind_of
from loopline.adapters.sql.tables import RECORD
from loopline.ports.ledger import R
from loopline.records.ids import LoopName


class Shelf:
    """All records of one kind in one loop, decoded. An unchanged shelf costs one look at an index."""

    def __init__(self, kind: type[R], loop: LoopName) -> None:
        self._kind, self._lock = kind, Lock()
        self._where = (RECORD.c.loop == loop) & (RECORD.c.kind == kind_of(kind))
        self._newest = select(func.max(RECORD.c.updated)).where(self._where)
        self._seen = 0
        self._held: dict[str, tuple[int, int, Any]] = {}
        self._ordered: tuple[Any, ...] = ()

    def all(self, connection: Connection) -> tuple[Any, ...]:
        """Every record as this connection sees the database, in the order of their first commits."""
        with self._lock:
            newest = connection.execute(self._newest).scalar_one() or 0
            if newest > self._seen:
                self._read(connection)
                self._seen = newest
            return self._ordered

    def _read(self, connection: Connection) -> None:
        column = RECORD.c
        changed = select(column.key, column.sequence, column.position, column.body, column.schema_version)
        for row in connection.execute(changed.where(self._where, column.updated > self._seen)):
            record = decode(self._kind, row.body, version=row.schema_version, key=row.key)
            self._held[row.key] = (row.sequence, row.position, record)
        self._ordered = tuple(held[2] for held in sorted(self._held.values(), key=lambda held: held[:2]))
