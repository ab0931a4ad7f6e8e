"""What both databases must refuse to do to the audit log, tried in SQL."""

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from loopline.adapters.sql.database import writing

CHANGES = {
    "say that another did it": "UPDATE audit SET actor = 'ben' WHERE id = 'a0001'",
    "move it": "UPDATE audit SET at_us = 0",
    "give it to another loop": "UPDATE audit SET loop = 'other'",
    "take it away": "DELETE FROM audit WHERE id = 'a0001'",
    "take all away": "DELETE FROM audit",
}


def is_let_through(engine: Engine, statement: str) -> bool:
    """Whether this statement, alone and committed, changes something."""
    try:
        with writing(engine) as connection:
            connection.execute(text(statement))
    except DBAPIError:
        return False
    return True
