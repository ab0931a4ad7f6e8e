"""How far each reader of the log has come, in SQL."""

from sqlalchemy import Connection, Engine, select, update

from loopline.adapters.sql.database import insert_new, reading, writing
from loopline.adapters.sql.tables import READER
from loopline.records.ids import LoopName


class SqlOffsets:
    """Keeps positions in the table ``reader`` of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, reader: str, *, loop: LoopName) -> int:
        """The last position that the reader has dealt with; 0 for one never seen."""
        with reading(self._engine) as connection:
            return _position(connection, reader, loop=loop)

    def advance(self, reader: str, *, loop: LoopName, position: int) -> None:
        """Note that the reader has dealt with everything up to here; never moves back."""
        with writing(self._engine) as connection:
            if position <= _position(connection, reader, loop=loop):
                return
            if not insert_new(connection, READER, {"loop": loop, "name": reader, "position": position}):
                own = READER.c.loop == loop, READER.c.name == reader
                connection.execute(update(READER).where(*own).values(position=position))


def _position(connection: Connection, reader: str, *, loop: LoopName) -> int:
    own = select(READER.c.position).where(READER.c.loop == loop, READER.c.name == reader)
    return int(connection.execute(own).scalar() or 0)
